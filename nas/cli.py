"""`tflm-mcunet search`: its sub-commands, their options, and what they mean."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tflm_mcunet.options import INPUTS, SCHEDULES


def add_options(command: argparse.ArgumentParser, parser_class: type[argparse.ArgumentParser]) -> None:
    """The sub-commands of `search`."""
    kinds = command.add_subparsers(dest="kind", metavar="KIND", required=True, parser_class=parser_class)
    _add_space(kinds)


def _add_kind(kinds: Any, name: str, summary: str, function: Callable[[argparse.Namespace], Any], example: str) -> Any:
    epilog = f"example: tflm-mcunet search {name} {example}"
    kind = kinds.add_parser(name, help=summary, description=summary, epilog=epilog)
    kind.set_defaults(function=function)
    kind.add_argument("--target", required=True, metavar="NAME", help="board or core")
    kind.add_argument("--space", default="mcunet", metavar="NAME", help="a search space, or a .toml file (default: mcunet)")
    kind.add_argument("--sram", metavar="BYTES", help="limit of the arena, such as 65536 or 64KB (default: the board's)")
    kind.add_argument("--flash", metavar="BYTES", help="limit of weights and tables (default: the board's)")
    kind.add_argument("--latency", metavar="N", help="limit of estimated instructions, such as 20M (default: none)")
    kind.add_argument("--schedule", default="auto", choices=SCHEDULES, help="how networks may run (default: auto)")
    kind.add_argument("--input", default="whole", choices=INPUTS, help="pull asks the application for rows (default: whole)")
    kind.add_argument("--seed", type=_natural, default=0, metavar="N", help="of everything that is random (default: 0)")
    kind.add_argument("--processes", type=_natural, metavar="N", help="0 works in this one (default: one per processor)")
    kind.add_argument("--ray", metavar="ADDRESS", help="take the processes of a Ray cluster; local starts one here")
    kind.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return kind


def _add_space(kinds: Any) -> None:
    summary = "choose resolution and width for a board, before anything is trained"
    kind = _add_kind(kinds, "space", summary, search_space, "--target stm32f746 --plot spaces.svg")
    kind.add_argument("--networks", type=_natural, default=1000, metavar="N", help="to draw per space (default: 1000)")
    kind.add_argument("--classes", type=_natural, metavar="N", help="to tell apart (default: the space's)")
    kind.add_argument("--plot", metavar="FILE", help="also draw the distributions (.png, .svg or .pdf)")


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of 0 or more")
    return int(text)


def search_space(options: argparse.Namespace) -> None:
    """`search space`: the distributions of work in all spaces, and the choice."""
    from nas import search_space as stage
    from nas import space
    from nas.limits import limits
    from tflm_mcunet import targets
    from tflm_mcunet.errors import Error

    if options.networks == 0:
        raise Error("--networks 0: draw at least one per space")
    board, chosen = targets.load(options.target), space.load(options.space)
    allowed = limits(board, options.sram, options.flash, options.latency)
    choice = stage.search_space(
        chosen, board, allowed, schedule=options.schedule, pull=options.input == "pull", count=options.networks,
        seed=options.seed, classes=options.classes or None, processes=options.processes, ray=options.ray, progress=_progress,
    )  # fmt: skip
    if options.plot:
        stage.plot(choice, options.plot, f"{chosen.name} on {board.name}")
    if options.json:
        header = {"space": chosen.name, "target": board.name, "limits": vars(allowed), "seed": options.seed}
        spaces = [sample.as_dict() for sample in choice.samples]
        best = choice.samples[choice.best]
        found = {"resolution": list(best.resolution), "width": best.width}
        print(json.dumps({**header, "networks": options.networks, "spaces": spaces, "choice": found}, indent=2))
    else:
        _show(choice, str(allowed))


def _show(choice: Any, allowed: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from nas.search_space import name
    from tflm_mcunet.report.terminal import WIDTH

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("space")
    for column in ("fit", "mean MACs", "median", "a fifth has more than"):
        table.add_column(column, justify="right")
    for number, sample in enumerate(choice.samples):
        macs = ["" if value is None else f"{value:,}" for value in sample.as_dict()["macs"].values()]
        style = "bold" if number == choice.best else None
        table.add_row(name(sample), f"{sample.share:.1%}", *macs, style=style)
    Console(width=max(Console().width, WIDTH)).print(table)
    best = choice.samples[choice.best]
    print(f"within {allowed}: {name(best)}; {best.share:.0%} of its networks fit, with {best.macs.mean():,.0f} MACs on average")


def _progress(items: Iterable[Any], total: int) -> Iterator[Any]:
    """A bar on the terminal; nothing where stderr is not one."""
    from rich.console import Console
    from rich.progress import track

    console = Console(file=sys.stderr)
    yield from track(items, "", total, console=console, transient=True, disable=not console.is_terminal)
