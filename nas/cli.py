"""`tflm-mcunet search`: its sub-commands, their options, and what they mean."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.arguments import natural, part, positive, share
from tflm_mcunet.errors import Error
from tflm_mcunet.options import INPUTS, SCHEDULES

if TYPE_CHECKING:
    from nas.limits import Limits
    from nas.space import Space

TASKS = ("classification", "keywords", "vww")
EVOLUTION = (
    ("population", 100, "networks of the first generation"),
    ("parents", 20, "best networks, from which others come"),
    ("crossovers", 50, "children of two parents per generation"),
    ("mutations", 50, "children of one parent per generation"),
    ("iterations", 30, "generations"),
)


def add_options(command: argparse.ArgumentParser, parser_class: type[argparse.ArgumentParser]) -> None:
    """The sub-commands of `search`."""
    kinds = command.add_subparsers(dest="kind", metavar="KIND", required=True, parser_class=parser_class)
    _add_space(kinds)
    _add_network(kinds)


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
    kind.add_argument("--seed", type=natural, default=0, metavar="N", help="of everything that is random (default: 0)")
    kind.add_argument("--processes", type=natural, metavar="N", help="0 works in this one (default: one per processor)")
    kind.add_argument("--ray", metavar="ADDRESS", help="take the processes of a Ray cluster; local starts one here")
    kind.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return kind


def _add_space(kinds: Any) -> None:
    summary = "choose resolution and width for a board, before anything is trained"
    kind = _add_kind(kinds, "space", summary, search_space, "--target stm32f746 --plot spaces.svg")
    kind.add_argument("--networks", type=natural, default=1000, metavar="N", help="to draw per space (default: 1000)")
    kind.add_argument("--classes", type=natural, metavar="N", help="to tell apart (default: the space's)")
    kind.add_argument("--plot", metavar="FILE", help="also draw the distributions (.png, .svg or .pdf)")


def _add_network(kinds: Any) -> None:
    summary = "train all networks of a space at once, and find the best one that fits a board"
    example = "--data fashion.npz --space small_image --target stm32f412 --sram 32KB --out fashion"
    kind = _add_kind(kinds, "network", summary, search_network, example)
    kind.add_argument("--data", required=True, metavar="SPEC", help="FILE.npz[:ARRAY], a folder, tfds:NAME: as train takes it")
    kind.add_argument("--out", required=True, metavar="DIR", help="folder for the network, figures, checkpoints and logs")
    kind.add_argument("--resolution", metavar="HxW", help="that one alone, such as search space found (default: all)")
    kind.add_argument("--width", type=float, metavar="X", help="that one alone (default: all)")
    data = kind.add_argument_group("data (see train --help)")
    data.add_argument("--task", default="classification", choices=TASKS, help="what to train for (default: classification)")
    data.add_argument("--size", metavar="HxW", help="scale pictures to this size (default: the first one's)")
    data.add_argument("--grey", action="store_true", help="read pictures in grey")
    data.add_argument("--validation", type=part, default=0.1, metavar="SHARE", help="to compare networks on (default: 0.1)")
    data.add_argument("--test", type=part, default=0.1, metavar="SHARE", help="that the search never sees (default: 0.1)")
    data.add_argument("--no-augment", action="store_true", help="train on the samples as they are")
    training = kind.add_argument_group("training")
    training.add_argument("--largest-epochs", type=natural, default=30, metavar="N", help="of the largest network (default: 30)")
    training.add_argument("--epochs", type=natural, default=60, metavar="N", help="of all networks together (default: 60)")
    training.add_argument("--batch", type=positive, default=128, metavar="N", help="samples per step (default: 128)")
    training.add_argument("--dropout", type=part, default=0.0, metavar="SHARE", help="before the classifier (default: 0)")
    training.add_argument("--distribute", choices=("mirrored",), help="over all GPUs of this machine")
    training.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: all)")
    evolution = kind.add_argument_group("evolution")
    for name, default, meaning in EVOLUTION:
        evolution.add_argument(f"--{name}", type=natural, default=default, metavar="N", help=f"{meaning} (default: {default})")
    evolution.add_argument("--probability", type=share, default=0.1, metavar="P", help="that a gene mutates (default: 0.1)")
    evolution.add_argument("--calibration", type=positive, default=20, metavar="N", help="batches of 64 samples (default: 20)")
    evolution.add_argument("--samples", type=positive, metavar="N", help="to compare networks on (default: all of --validation)")


def search_space(options: argparse.Namespace) -> None:
    """`search space`: the distributions of work in all spaces, and the choice."""
    from nas import search_space as stage
    from nas import space
    from tflm_mcunet import targets

    if options.networks == 0:
        raise Error("--networks 0: draw at least one per space")
    board, chosen = targets.load(options.target), space.load(options.space)
    allowed = _limits(options)
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


def search_network(options: argparse.Namespace) -> None:
    """`search network`: the supernet, evolution, and the network it found."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow  # noqa: F401
        import tf_keras  # noqa: F401
    except ImportError as error:
        raise Error(f"search network needs the extra [nas]: pip install 'tflm-mcunet[nas]' ({error})") from error
    from nas.evolution import Settings
    from nas.plan import Planner
    from nas.search_network import Recipe, Search, load
    from nas.tasks import task
    from nas.train_distribute import strategy
    from nas.train_loop import deterministic

    deterministic(options.seed, options.threads)
    shares = {"validation": options.validation, "test": options.test}
    size, channels = _sizes("--size", options.size), 1 if options.grey else 3
    search = Search(
        narrowed(options),
        Planner(options.target, _limits(options), options.schedule, options.input == "pull"),
        Recipe(
            options.largest_epochs, options.epochs, options.batch, options.dropout, options.calibration, options.samples,
            options.seed,
        ),
        Settings(**{name: getattr(options, name) for name, *_ in EVOLUTION}, probability=options.probability, seed=options.seed),
        partial(load, options.task, options.data, size=size, channels=channels, seed=options.seed, **shares),
        options.processes,
        options.ray,
        strategy(options.distribute),
    )  # fmt: skip
    augmentation = None if options.no_augment else task(options.task).augmentation
    verbose = 0 if options.json else 1 if sys.stdout.isatty() else 2
    result = search.run(Path(options.out), augmentation, verbose, _progress)
    best = result.ranking[0]
    figures = {"accuracy": best.accuracy, **vars(best.plan), "network": str(Path(options.out) / "network.keras")}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    plan = best.plan
    print(f"{best.accuracy:.2%} on validation data before fine-tuning, the best of {len(result.ranking)} networks that fit:")
    print(f"  {plan.sram:,} bytes of SRAM, {plan.flash:,} of flash, {plan.instructions:,} instructions, {plan.macs:,} MACs")
    network = result.architecture
    edges = f"--data {options.data} --size {network.height}x{network.width} --model {figures['network']}"
    print(f"next: tflm-mcunet train {edges} --target {options.target}{_same(options)} --out FIRMWARE")


def _same(options: argparse.Namespace) -> str:
    """What `train` must be told as well, so that data, division and limits stay what they are."""
    known = {"task": "classification", "validation": 0.1, "test": 0.1, "seed": 0}
    known |= {"sram": None, "schedule": "auto", "input": "whole"}
    said = [f" --{name} {getattr(options, name)}" for name, usual in known.items() if getattr(options, name) != usual]
    flags = [f" --{name}" for name in ("grey", "no-augment") if getattr(options, name.replace("-", "_"))]
    return "".join([*said, *flags])


def narrowed(options: argparse.Namespace) -> Space:
    """The space asked for, of one resolution and width where they are given; raises Error where it has no such."""
    from nas import space

    chosen = space.load(options.space)
    resolution, width = _sizes("--resolution", options.resolution), options.width
    if resolution is not None and resolution not in chosen.resolutions:
        raise Error(f"--resolution {options.resolution}: space '{chosen.name}' has {_names(chosen.resolutions)}")
    if width is not None and width not in chosen.widths:
        raise Error(f"--width {width:g}: space '{chosen.name}' has {', '.join(f'{each:g}' for each in chosen.widths)}")
    sizes = chosen.resolutions if resolution is None else (resolution,)
    return replace(chosen, resolutions=sizes, widths=chosen.widths if width is None else (width,))


def _names(resolutions: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in resolutions)


def _sizes(option: str, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, _, width = text.partition("x")
    width = width or height
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise Error(f"{option} {text}: write height x width, such as 96x96")
    return int(height), int(width)


def _limits(options: argparse.Namespace) -> Limits:
    from nas.limits import limits
    from tflm_mcunet import targets

    return limits(targets.load(options.target), options.sram, options.flash, options.latency)


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
