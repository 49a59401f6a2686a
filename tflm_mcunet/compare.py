"""Models, schedules and compiled folders next to each other: docs/schemas/compare.schema.json."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tflm_mcunet import cost
from tflm_mcunet.compiler import build
from tflm_mcunet.errors import Error
from tflm_mcunet.options import SCHEDULES, Options
from tflm_mcunet.report.model import report
from tflm_mcunet.report.timeline import timeline
from tflm_mcunet.report.verdict import verdict
from tflm_mcunet.source import load

FIGURES = {
    "arena": "SRAM (bytes)",
    "lower_bound": "least of its schedule",
    "weights": "constants in flash",
    "weight_bytes_fetched": "weights fetched",
    "macs": "MACs",
    "macs_executed": "MACs executed",
    "instructions": "instructions (est.)",
    "operators": "operators",
}
"""Figures that are compared, the smaller the better, and what they are called."""


class CompareError(Error):
    """What was named cannot be compared."""


def compare(names: Sequence[str], options: Options, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Compiles or reads each of `names` and lines up its figures for the target of `options`.

    A name is a .tflite, one with a schedule behind a colon (`model.tflite:stream`), or a folder that `compile` wrote, whose core
    is named with it where its instructions are of another than the target's. What does not fit the target is compared all the
    same. `progress` is told how many of how many are done.

    Raises:
        CompareError: there are fewer than two, or a folder holds no report of `compile`.
        Error: a model cannot be compiled.
    """
    if len(names) < 2:
        raise CompareError("compare needs at least two models, schedules or compiled folders")
    items = []
    for name in names:
        items.append(_folder(name, options) if Path(name).is_dir() else _model(name, options))
        if progress:
            progress(len(items), len(names))
    return {"target": options.target, "figures": FIGURES, "items": items}


def _model(name: str, options: Options) -> dict[str, Any]:
    path, _, way = name.rpartition(":")
    if path.endswith(".tflite") and way not in SCHEDULES:
        near = difflib.get_close_matches(way, SCHEDULES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(SCHEDULES)}"
        raise CompareError(f"{name}: unknown schedule {way}: {hint}")
    if path and way in SCHEDULES:
        aim = "latency" if way in ("auto", "layer") else "sram"
        options = replace(options, schedule=way, minimize=aim if options.minimize == "latency" else options.minimize)
    else:
        path = name
    model, source = load(path)
    program = build(model, source, options, must_fit=False)
    return _item(name, report(program), options, timeline(program.planned, options, options.schedule))


def _folder(name: str, options: Options) -> dict[str, Any]:
    path = Path(name) / "report.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        core = found["estimate"]["core"]
        mark = "" if core == cost.load(options.board).core else f" ({core})"
        return _item(name.rstrip("/") + mark, found, options, None)
    except (OSError, ValueError) as error:
        raise CompareError(f"{name} is no folder that `compile` wrote: cannot read its report.json ({error})") from None
    except (KeyError, TypeError):
        raise CompareError(f"{path} is no report of this version: compile the model again") from None


def _item(name: str, found: Mapping[str, Any], options: Options, memory: dict[str, Any] | None) -> dict[str, Any]:
    figures = {
        "arena": found["sram"]["arena"],
        "lower_bound": found["sram"]["lower_bound"],
        **found["flash"],
        "macs": found["macs"],
        "macs_executed": found["macs_executed"],
        "instructions": found["estimate"]["instructions"],
        "operators": len(found["operators"]),
    }
    return {
        "name": name.rstrip("/").rsplit("/", 1)[-1],
        "model": found["model"],
        "compiled_for": found["target"],
        "estimate_core": found["estimate"]["core"],
        "verdict": verdict(options, figures["arena"], figures["weights"], figures["code"]),
        "figures": {key: int(figures[key]) for key in FIGURES},
        "memory": memory,
    }
