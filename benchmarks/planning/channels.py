"""What groups of channels in expansion, depthwise convolution and projection would save beyond streamed rows.

    python benchmarks/planning/channels.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite

Writes CHANNELS.md and channels.json beside this file. Peaks are the most bytes that live at one moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from absl import app, flags

import tflm_mcunet
from patch_scheduler import Access, Network, Operator, Schedule, default_cost, live_bytes, whole
from patch_scheduler.lives import lives
from patch_scheduler.streams import Streams
from tflm_mcunet.operators.base import Operator as CompilerOperator
from tflm_mcunet.operators.conv_2d import Conv2D

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
MOBILENET = flags.DEFINE_string("mobilenet", None, "the int8 MobileNetV2-1.0 224x224", required=True)
HERE = Path(__file__).parent

NAMES = ("mcunet_vww1_80", "person_detection_fpn", "mcunet_in3_320kb", "mlperf_vww_mobilenet96", "tflm_person_detect")
"""Of the reference models those that have pointwise around depthwise convolutions of other widths."""

GROUP = 8
"""Channels per group."""

BUDGETS = (1.0, 1.1, 1.3)
"""Multiples of the model's work."""


@dataclass(frozen=True)
class Block:
    """Positions of an expansion, the depthwise convolution that alone reads it, and the projection that alone reads that."""

    expand: int
    depthwise: int
    project: int
    channels: int


def blocks(network: Network, operators: Sequence[CompilerOperator]) -> Iterator[Block]:
    """Inverted bottlenecks: where the three follow one another."""
    readers: dict[int, list[int]] = {}
    for index, op in enumerate(network.operators):
        for access in op.reads:
            readers.setdefault(access.tensor, []).append(index)

    def next_of(index: int) -> int | None:
        found = readers.get(network.operators[index].writes[0].tensor, [])
        return found[0] if len(found) == 1 else None

    for index in range(len(operators)):
        depthwise = next_of(index) if _widening(operators[index]) > 1 else None
        project = next_of(depthwise) if depthwise and operators[depthwise].kind == "DEPTHWISE_CONV_2D" else None
        if depthwise and project and _widening(operators[project]) < 1:
            yield Block(index, depthwise, project, operators[index].output.shape[3])


def _widening(op: CompilerOperator) -> float:
    """Channels that a pointwise convolution makes of one; 1 for other operators."""
    return op.output.shape[3] / op.input(0).shape[3] if isinstance(op, Conv2D) and op.pointwise else 1


def fused(network: Network, block: Block, whole_map: bool) -> tuple[Network, int]:
    """One operator in place of three, and the multiply-accumulates that it repeats.

    It expands the rows of one group of channels at a time, and adds what they project to to sums of 32 bits, in which the output
    lies in the end. By rows of output, rows are expanded again for every row of output that reads them; with the whole map at a
    time nothing is repeated, but its sums live, and all of its input.
    """
    expand, depthwise, project = (network.operators[i] for i in (block.expand, block.depthwise, block.project))
    source, target = expand.reads[0].tensor, project.writes[0].tensor
    inner = expand.writes[0].tensor, depthwise.writes[0].tensor
    window = depthwise.reads[0].ranges
    lengths = window.high - window.low
    rows = int(lengths.max()) * network.tensors[inner[0]].row_bytes + network.tensors[inner[1]].row_bytes
    sums = 3 * (network.tensors[target].size if whole_map else network.tensors[target].row_bytes)
    scratch = rows * GROUP // block.channels + sums
    steps, reads, writes = depthwise.steps, window, project.writes[0].ranges
    if whole_map:
        steps, reads, writes = 1, whole(1, network.tensors[source].rows), whole(1, network.tensors[target].rows)
    new = Operator(project.name, (Access(source, reads),), (Access(target, writes),), steps, scratch)
    kept = [i for i in range(len(network.tensors)) if i not in inner]
    place = {old: new for new, old in enumerate(kept)}
    chosen = [
        new if i == block.project else op for i, op in enumerate(network.operators) if i not in (block.expand, block.depthwise)
    ]

    def moved(accesses: Sequence[Access]) -> tuple[Access, ...]:
        return tuple(replace(access, tensor=place[access.tensor]) for access in accesses)

    again = 0 if whole_map else round(expand.macs * (lengths.sum() / network.tensors[inner[0]].rows - 1))
    result = Network(
        tuple(network.tensors[i] for i in kept),
        tuple(replace(op, reads=moved(op.reads), writes=moved(op.writes)) for op in chosen),
        tuple(place[i] for i in network.inputs),
        tuple(place[i] for i in network.outputs),
    )
    return result, again


def bound(network: Network) -> int:
    """The least peak of live bytes."""
    return Streams(network, default_cost(network)).least


def fuse(network: Network, operators: Sequence[CompilerOperator], budget: int) -> tuple[int, int, int]:
    """The least peak found by fusing what lowers it most, again and again, blocks fused, and multiply-accumulates repeated."""
    least, count, spent = bound(network), 0, 0
    while True:
        tries = []
        for block in blocks(network, operators):
            for new, again in (fused(network, block, whole_map) for whole_map in (True, False)):
                if spent + again <= budget:
                    tries.append((bound(new), again, block, new))
        best = min(tries, key=lambda each: each[:2], default=None)
        if best is None or best[0] >= least:
            return least, count, spent
        least, count, spent, network = best[0], count + 1, spent + best[1], best[3]
        operators = [op for index, op in enumerate(operators) if index not in (best[2].expand, best[2].depthwise)]


def at_peak(network: Network, schedule: Schedule, operators: Sequence[CompilerOperator]) -> tuple[int, int]:
    """The most bytes that live at one moment, and those of expanded rows among them."""
    alive, life = live_bytes(network, schedule), lives(network, schedule.events)
    moment = int(alive.argmax())
    inner = {
        network.operators[i].writes[0].tensor for block in blocks(network, operators) for i in (block.expand, block.depthwise)
    }
    rows = sum(int(((life.birth[t] <= moment) & (life.death[t] >= moment)).sum()) * network.tensors[t].row_bytes for t in inner)
    return int(alive[moment]), rows


def measured(path: Path, feed: str) -> dict[str, Any]:
    """The peak of the least arena's plan, what of it are expanded rows, and peaks with blocks fused within budgets."""
    program = tflm_mcunet.compile(path, io="int8", minimize="sram", input=feed, keep_dead_channels=True).program
    network, operators, macs = program.lowered.network, program.lowered.operators, program.source.macs
    peak, rows = at_peak(network, program.schedule, operators)
    found = {budget: fuse(network, operators, round((budget - 1) * macs)) for budget in BUDGETS}
    points = {
        f"{budget:g}": {"bound": b, "blocks": n, "work": round(1 + again / macs, 4)} for budget, (b, n, again) in found.items()
    }
    return {"input": feed, "peak": peak, "expanded": rows, "fused": points}


def main(argv: Sequence[str]) -> None:
    """Estimates, and writes the table."""
    paths = [Path(MODELS.value) / f"{name}.tflite" for name in NAMES]
    results: dict[str, list[dict[str, Any]]] = {}
    for path in [*paths, Path(MOBILENET.value)]:
        results[path.stem] = [measured(path, feed) for feed in ("whole", "pull")]
        print(path.stem, results[path.stem], flush=True)
    (HERE / "channels.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "CHANNELS.md").write_text(table(results))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The page."""
    lines = [
        "# Groups of channels",
        "",
        "`python benchmarks/planning/channels.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite`",
        "",
        "What fusing expansion, depthwise convolution and projection by groups of channels would save beyond streamed rows:",
        "the most bytes that live at one moment of the least arena's plan (`--minimize sram`, int8 edges, dead channels kept),",
        "the bytes of expanded rows among them, and the least peak if inverted bottlenecks ran by groups of",
        f"{GROUP} channels, their projections summed in 32 bits, within multiples of the model's work. With nothing repeated a",
        "group has to run over the whole map, whose input and sums live all the while. By rows of output, the rows that",
        "they read are expanded again for each of them. The estimates favour groups: kernels without scratch of their own.",
        "In brackets: inverted bottlenecks that are fused, and the work that takes.",
        "",
        f"| model | input | peak | expanded rows | {' | '.join(f'groups, {budget:g}x' for budget in BUDGETS)} |",
        f"|---|---|---|---|{'---|' * len(BUDGETS)}",
    ]
    for name, found in results.items():
        for each in found:
            cells = [
                f"{p['bound']:,} ({p['blocks']} fused, {p['work']:.2f}x)" if p["blocks"] else "same"
                for p in each["fused"].values()
            ]
            lines.append(f"| {name} | {each['input']} | {each['peak']:,} | {each['expanded']:,} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    app.run(main)
