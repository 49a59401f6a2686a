"""Completion of the command line for shells, made from the options that there are."""

from __future__ import annotations

import argparse

import shtab

from tflm_mcunet import targets
from tflm_mcunet.execute.cores import CORES

SHELLS = ("bash", "zsh", "tcsh")
FILES = frozenset({"model", "models", "data", "inputs", "html", "plot"})
FOLDERS = frozenset({"out"})


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that makes `shell` complete commands, options, boards and files."""
    _describe(parser)
    return str(shtab.complete(parser, shell=shell))


def _describe(parser: argparse.ArgumentParser) -> None:
    """Says what stands behind options, which argparse does not know."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _describe(command)
        elif action.dest == "target":
            action.choices = targets.names()
        elif action.dest == "on":
            action.choices = ["host", *CORES]
        elif action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
