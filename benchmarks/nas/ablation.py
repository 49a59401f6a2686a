"""What choosing a space and searching the schedule are worth: the largest network within limits, found with equal effort.

    python benchmarks/nas/ablation.py --space small_image --target stm32f412 --sram 16KB --latency 6M --out runs/ablation

Nothing is trained: the fitness of evolution is the number of multiply-accumulates, by which MCUNet compares spaces too
(section 3.1), under the real plans of the compiler. Rows differ in one thing each: the resolution and width that `search space`
recommends, some drawn at random, or all of them in one space; and the schedule, which is searched with the network or fixed.
What was planned is kept in OUT, where a run that was killed goes on. Writes OUT/ablation.md and OUT/ablation.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from nas import pricing, space
from nas.evolution import Evolution, Found, Genes, Journal, Settings
from nas.limits import limits
from nas.plan import Planner
from nas.search_space import Judge, search_space
from nas.space import Space
from nas.workers import workers
from tflm_mcunet import targets
from tflm_mcunet.errors import Error

SPACE = flags.DEFINE_string("space", "small_image", "as for `tflm-mcunet search`")
TARGET = flags.DEFINE_string("target", "stm32f412", "as for `tflm-mcunet search`")
SRAM = flags.DEFINE_string("sram", None, "as for `tflm-mcunet search`")
FLASH = flags.DEFINE_string("flash", None, "as for `tflm-mcunet search`")
LATENCY = flags.DEFINE_string("latency", None, "as for `tflm-mcunet search`")
RANDOM = flags.DEFINE_integer("random", 3, "spaces drawn at random", lower_bound=0)
POPULATION = flags.DEFINE_integer("population", 20, "networks of the first generation", lower_bound=4)
ITERATIONS = flags.DEFINE_integer("iterations", 3, "generations of half as many children", lower_bound=0)
PROCESSES = flags.DEFINE_integer("processes", 2, "processes", lower_bound=0)
SEED = flags.DEFINE_integer("seed", 0, "of everything")
OUT = flags.DEFINE_string("out", None, "folder of what was planned, and of the table", required=True)


def main(argv: Sequence[str]) -> None:
    """Searches every row that is not there yet, and writes the table after each."""
    out, found = Path(OUT.value), []
    for name, part, schedule in rows(space.load(SPACE.value)):
        found.append(searched(out / f"{name}-{schedule}".replace(" ", "_"), name, part, schedule))
        (out / "ablation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (out / "ablation.md").write_text(table(found), encoding="utf-8")
    print(table(found))


def rows(whole: Space) -> Iterator[tuple[str, Space, str]]:
    """(name, space, schedule)."""
    parts = whole.subspaces()
    for schedule in ("auto", "layer", "patch"):
        yield "chosen", chosen(whole, schedule), schedule
    drawn = np.random.default_rng(SEED.value).permutation(len(parts))[: RANDOM.value]
    for number, index in enumerate(drawn, start=1):
        yield f"random {number}", parts[index], "auto"
    yield "all in one", whole, "auto"


def chosen(whole: Space, schedule: str) -> Space:
    """What the first stage recommends."""
    board = targets.load(TARGET.value)
    allowed = limits(board, SRAM.value, FLASH.value, LATENCY.value)
    choice = search_space(whole, board, allowed, schedule=schedule, seed=SEED.value, processes=PROCESSES.value)
    return whole.subspaces()[choice.best]


def searched(folder: Path, name: str, part: Space, schedule: str) -> dict[str, Any]:
    """The figures of one row."""
    record = folder / "figures.json"
    if record.exists():
        return json.loads(record.read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    board, start = targets.load(TARGET.value), time.monotonic()
    allowed = limits(board, SRAM.value, FLASH.value, LATENCY.value)
    half = POPULATION.value // 4
    settings = Settings(POPULATION.value, 2 * half, half, half, iterations=ITERATIONS.value, seed=SEED.value)
    evolution = Evolution(part, Judge(allowed, pricing.fit(part, board), schedule), settings)
    plan = partial(planned, part, Planner(TARGET.value, allowed, schedule))
    figures: dict[str, Any] = {"name": name, "schedule": schedule, "sizes": part.resolutions, "widths": part.widths}
    with Journal(folder / "networks.jsonl") as journal, workers(PROCESSES.value) as over:
        try:
            best = evolution.run(journal, lambda genes: over(plan, genes))[0]
            figures |= vars(best.plan)
        except Error as error:
            figures |= {"none": str(error)}
        fitting = sum(each.plan is not None for each in journal.known.values())
        figures |= {"planned": len(journal.known), "fitting": fitting, "seconds": round(time.monotonic() - start)}
    record.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


def planned(part: Space, planner: Planner, genes: Genes) -> Found:
    """The plan, with its multiply-accumulates in the place of an accuracy."""
    (architecture,) = part.architectures(np.array(genes))
    plan = planner.plan(architecture)
    return Found(plan, None if plan is None else float(plan.macs))


def table(found: Sequence[dict[str, Any]]) -> str:
    """The page."""
    lines = [
        "| space | resolution | width | schedule | MACs | arena | flash | instructions | fitting / planned | s |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for each in found:
        size = "x".join(map(str, each["sizes"][0])) if len(each["sizes"]) == 1 else "all"
        width = f"{each['widths'][0]:g}" if len(each["widths"]) == 1 else "all"
        plan = [f"{each[key]:,}" if key in each else "" for key in ("macs", "sram", "flash", "instructions")]
        effort = [f"{each['fitting']} / {each['planned']}", f"{each['seconds']}"]
        cells = [each["name"], size, width, each["schedule"], *plan, *effort]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    app.run(main)
