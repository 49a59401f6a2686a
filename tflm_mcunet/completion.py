"""Completion of the command line for shells, made from the options that there are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from shlex import quote

import shtab

from tflm_mcunet import targets
from tflm_mcunet.execute.cores import CORES

SHELLS = ("bash", "zsh", "fish", "tcsh")
FILES = frozenset({"model", "models", "data", "inputs", "html", "plot"})
FOLDERS = frozenset({"out"})


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that makes `shell` complete commands, options, boards and files."""
    _describe(parser)
    return "\n".join(_fish(parser)) if shell == "fish" else str(shtab.complete(parser, shell=shell))


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


def _fish(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Lines for fish, which shtab does not know."""
    line = f"complete -c {parser.prog}"
    yield f"{line} -f"
    for commands in parser._actions:
        if isinstance(commands, argparse._SubParsersAction):
            for command in commands._choices_actions:
                yield f"{line} -n __fish_use_subcommand -a {command.dest} -d {quote(command.help or '')}"
                for action in commands.choices[command.dest]._actions:
                    yield f"{line} -n '__fish_seen_subcommand_from {command.dest}' {' '.join(_fish_words(action))}"


def _fish_words(action: argparse.Action) -> Iterator[str]:
    """An option or a positional argument, and what may follow or be it."""
    for option in action.option_strings:
        yield f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
    if action.nargs != 0:
        files = hasattr(action, "complete")
        yield ("-r " if action.option_strings else "") + ("-F" if files else "-f")
        if action.choices:
            yield f"-a {quote(' '.join(map(str, action.choices)))}"
    if action.help and action.help != argparse.SUPPRESS:
        yield f"-d {quote(action.help)}"
