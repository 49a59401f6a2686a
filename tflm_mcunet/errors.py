"""The one family of errors that users see: each is a single line that names the thing and the remedy."""


class Error(Exception):
    """Base of every error a user can cause; the command line prints it as `error: ...` and exits with status 2."""
