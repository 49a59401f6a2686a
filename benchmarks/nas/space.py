"""Which resolution and width suit boards, and what the schedule has to do with it: `search space` under every schedule.

    python benchmarks/nas/space.py [--boards stm32f412,stm32f746] [--networks 1000]

Writes space.md and space.json beside this file.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

BOARDS = flags.DEFINE_list("boards", ["stm32f412", "stm32f746"], "targets")
SPACE = flags.DEFINE_string("space", "mcunet", "space")
NETWORKS = flags.DEFINE_integer("networks", 1000, "networks per space")
PROCESSES = flags.DEFINE_integer("processes", 2, "processes")
HERE = Path(__file__).parent
SCHEDULES = (("layer", "whole"), ("patch", "whole"), ("auto", "whole"), ("auto", "pull"))


def search(board: str, schedule: str, edge: str) -> dict[str, Any]:
    """One choice, and the time it took."""
    from nas import space
    from nas.limits import limits
    from nas.search_space import search_space
    from tflm_mcunet import targets

    target = targets.load(board)
    start, before = time.monotonic(), processor_seconds()
    everything = limits(target, sram=str(target.contiguous_sram_bytes))
    choice = search_space(
        space.load(SPACE.value), target, everything, schedule=schedule, pull=edge == "pull", count=NETWORKS.value,
        processes=PROCESSES.value,
    )  # fmt: skip
    return {
        "board": board,
        "schedule": schedule,
        "input": edge,
        **choice.samples[choice.best].as_dict(),
        "seconds": round(time.monotonic() - start, 1),
        "processor_seconds": round(processor_seconds() - before, 1),
    }


def processor_seconds() -> float:
    """Of this process and its children that are over."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def table(found: Sequence[dict[str, Any]]) -> str:
    """The page."""
    lines = [
        "# Spaces and schedules",
        "",
        f"`python benchmarks/nas/space.py`: {NETWORKS.value:,} networks in each resolution and width of space `{SPACE.value}`,",
        "the choice by the mean MACs of those that fit all of the board's SRAM and its flash. `layer` is layer by",
        "layer, `patch` MCUNetV2's schedule, `auto` the better of layer by layer and streaming; `pull`: no image in SRAM.",
        "",
        "| board | schedule | input | resolution | width | fit | mean M MACs | a fifth has more than | s | processor s |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in found:
        macs = each["macs"]
        cells = [
            each["board"], each["schedule"], each["input"], str(each["resolution"][0]), f"{each['width']:g}",
            f"{each['share']:.0%}", f"{macs['mean'] / 1e6:.1f}", f"{macs['top_fifth'] / 1e6:.1f}",
            f"{each['seconds']:.0f}", f"{each['processor_seconds']:.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main(argv: Sequence[str]) -> None:
    """Searches, and writes the table after every one."""
    found = []
    for board in BOARDS.value:
        for schedule, edge in SCHEDULES:
            found.append(search(board, schedule, edge))
            print(found[-1], flush=True)
            (HERE / "space.json").write_text(json.dumps(found, indent=1) + "\n")
            (HERE / "space.md").write_text(table(found))


if __name__ == "__main__":
    app.run(main)
