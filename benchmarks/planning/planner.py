"""What the full planner finds for the networks of the comparison: one JSON line per network, continued where it was stopped.

    nice python benchmarks/planning/planner.py --out plans.jsonl [--count 1000] [--full 200]

The first `--full` networks go through `schedule(minimize="sram")`. That spends most of its time on making the schedule
faster within the arena found, so the others take its search for the least arena alone, which is the same. Results of both
are recorded, so that they can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from space import sample

from patch_scheduler import Network, default_cost, schedule
from patch_scheduler.streams import Streams

OUT = flags.DEFINE_string("out", "plans.jsonl", "file to write or to continue")
COUNT = flags.DEFINE_integer("count", 1000, "networks")
FULL = flags.DEFINE_integer("full", 200, "how many of them the whole planner sees too")


def least(network: Network) -> dict[str, int]:
    """Arena and least peak of the streamed schedules."""
    streams = Streams(network, default_cost(network))
    return {"arena": streams.tightest()[1].arena, "bound": streams.least}


def arena(network: Network, mode: str) -> int:
    """Of the whole planner."""
    return schedule(network, mode=mode, minimize="sram")[1].arena  # type: ignore[arg-type]


def main(argv: Sequence[str]) -> None:
    """Plans what the file does not have yet."""
    path = Path(OUT.value)
    done = len(path.read_text().splitlines()) if path.exists() else 0
    for index, candidate in enumerate(sample(COUNT.value)[done:], done):
        whole, pulled = candidate.network(), candidate.network(pull=True)
        found = {"whole": least(whole), "pulled": least(pulled), "layers": arena(whole, "layer")}
        if index < FULL.value:
            found["full"] = {"whole": arena(whole, "stream"), "pulled": arena(pulled, "stream")}
        with path.open("a") as out:
            out.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    app.run(main)
