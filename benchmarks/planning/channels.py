"""What fusing expansion, depthwise convolution and projection takes off the least arena, and what that costs.

    python benchmarks/planning/channels.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite

Writes CHANNELS.md and channels.json beside this file; benchmarks/sram/mobilenet_v2.py makes the MobileNetV2.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

import tflm_mcunet
from tflm_mcunet.operators.inverted_bottleneck import InvertedBottleneck

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
MOBILENET = flags.DEFINE_string("mobilenet", None, "the int8 MobileNetV2-1.0 224x224", required=True)
HERE = Path(__file__).parent

NAMES = ("mcunet_vww1_80", "person_detection_fpn", "mcunet_in3_320kb", "mlperf_vww_mobilenet96", "tflm_person_detect")
"""Of the reference models those that have pointwise around depthwise convolutions of other widths."""

BUDGETS = (1.0, 1.1, 1.3)
"""Multiples of the model's work."""

CORE = "cortex-m7"


def measured(path: Path, feed: str, budget: float) -> dict[str, Any]:
    """The least arena within a budget, after a comparison with TFLM, and the instructions of an inference."""
    model = tflm_mcunet.compile(
        path, target=CORE, io="int8", minimize="sram", input=feed, keep_dead_channels=True, macs_budget=budget
    )
    verification = model.verify(samples=1)
    if not verification.passed:
        raise SystemExit(f"{path}: {verification.first}")
    program = model.program
    return {
        "input": feed,
        "budget": budget,
        "arena": program.plan.arena,
        "bound": program.plan.lower_bound,
        "fused": sum(isinstance(op, InvertedBottleneck) for op in program.lowered.operators),
        "work": round(1 + program.planned.macs_recomputed / program.source.macs, 4),
        "instructions": model.bench(on=CORE).instructions,
    }


def main(argv: Sequence[str]) -> None:
    """Compiles, compares, counts and writes the table."""
    paths = [*(Path(MODELS.value) / f"{name}.tflite" for name in NAMES), Path(MOBILENET.value)]
    results: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        for feed in ("whole", "pull"):
            for budget in BUDGETS:
                results.setdefault(path.stem, []).append(measured(path, feed, budget))
                print(path.stem, results[path.stem][-1], flush=True)
    (HERE / "channels.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "CHANNELS.md").write_text(table(results))


def cell(point: dict[str, Any], plain: dict[str, Any]) -> str:
    """A budget's arena and what it takes, where that is not what it is without."""
    if point["work"] == plain["work"]:
        return "same"
    slower = point["instructions"] / plain["instructions"]
    return f"{point['arena']:,} ({point['fused']} fused, {point['work']:.2f}x, {slower:.2f}x)"


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The page."""
    lines = [
        "# Expansion, depthwise convolution and projection as one operator",
        "",
        "`python benchmarks/planning/channels.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite`",
        "",
        "The least arenas in bytes that `--macs-budget` gives where inverted bottlenecks may run as one operator. It keeps of",
        f"the expanded map the window of one pixel: `--minimize sram`, a {CORE}, int8 edges, dead channels kept, bit-exact with",
        "TFLM.",
        "In brackets: inverted bottlenecks that are fused, and the multiples of the model's multiply-accumulates and of",
        f"the executed instructions (emulated {CORE}) that this takes. The fused operator has a portable kernel, what it",
        "replaces those for the DSP extension. Same: nothing lowers it.",
        "",
        f"| model | input | {' | '.join(f'{budget:g}x' for budget in BUDGETS)} |",
        f"|---|---|{'---|' * len(BUDGETS)}",
    ]
    for name, found in results.items():
        for feed in ("whole", "pull"):
            plain, *others = (point for point in found if point["input"] == feed)
            cells = [f"{plain['arena']:,}", *(cell(point, plain) for point in others)]
            lines.append(f"| {name} | {feed} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    app.run(main)
