"""Numbers on the command line: what argparse's types refuse, it explains in one line."""

from __future__ import annotations

import argparse
import sys


def natural(text: str) -> int:
    """A whole number of 0 or more."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of 0 or more")
    return int(text)


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    if natural(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive number")
    return int(text)


def share(text: str) -> float:
    """A part of one."""
    return _up_to(1, text, "a share from 0 to 1")


def part(text: str) -> float:
    """A share that leaves something."""
    if share(text) == 1:
        raise argparse.ArgumentTypeError(f"'{text}' leaves nothing: a share is below 1")
    return float(text)


def amount(text: str) -> float:
    """A number of 0 or more."""
    return _up_to(sys.float_info.max, text, "a number of 0 or more")


def _up_to(most: float, text: str, what: str) -> float:
    number = _number(text)
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not {what}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from error
