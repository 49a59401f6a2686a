"""Calls to C compilers and other tools, with failures as one-line errors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tflm_mcunet.errors import Error

HOST_FLAGS = ("-std=c99", "-O1", "-Wall", "-Wextra")


class ToolMissing(Error):
    """A program that is needed is not installed; the message says how to install it."""


class BuildError(Error):
    """A compiler or linker failed; the message holds its first diagnostic."""


def find_tool(name: str, remedy: str) -> str:
    """Full path of the program `name`; raises ToolMissing, ending with `remedy`, where there is none."""
    path = shutil.which(name)
    if path is None:
        raise ToolMissing(f"{name} not found: {remedy}")
    return path


def host_compiler() -> list[str]:
    """The host's C compiler as an argument list: $CC, else cc, gcc or clang; raises ToolMissing."""
    configured = os.environ.get("CC", "").split()
    if configured:
        find_tool(configured[0], "the environment variable CC names it")
        return configured
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    raise ToolMissing("no C compiler found (cc, gcc, clang): install one, or name it in the environment variable CC")


def call(command: Sequence[str | Path], *, folder: Path | None = None) -> str:
    """Runs a build tool in `folder` and returns its output; raises BuildError with the first diagnostic."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise BuildError(f"{Path(arguments[0]).name} failed: {first_diagnostic(done.stderr or done.stdout)}")
    return done.stdout


def first_diagnostic(log: str) -> str:
    """The first line of a compiler's or linker's output that reports an error, else its first line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    pattern = re.compile(r"\berror\b|undefined reference|overflowed|multiple definition", re.IGNORECASE)
    return next((line for line in lines if pattern.search(line)), lines[0] if lines else "no message")
