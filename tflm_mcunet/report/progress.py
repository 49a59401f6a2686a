"""Progress of long work, on stderr and only where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


class Steps:
    """What work reports to: `say` what is being done, and `count` how much of it."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)

    def say(self, text: str) -> None:
        """Something without a known end begins."""
        self._progress.update(self._task, description=text)

    def count(self, done: int, all_: int) -> None:
        """`done` of `all_` are done."""
        self._progress.update(self._task, completed=done, total=all_)


@contextmanager
def steps(label: str) -> Iterator[Steps]:
    """A progress bar that is gone when the work is done; silent off a terminal."""
    console = Console(stderr=True)
    columns: tuple[Any, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        yield Steps(progress, label)
