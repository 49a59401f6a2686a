"""The least arenas at budgets of multiply-accumulates, next to bounds of what msf-CNN's fused layers need.

    python benchmarks/planning/front.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite --v3 mobilenet_v3_160.tflite

Writes FRONT.md and front.json beside this file. benchmarks/sram/mobilenet_v2.py and mobilenet_v3.py make the MobileNets.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

import tflm_mcunet

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
MOBILENET = flags.DEFINE_string("mobilenet", None, "the int8 MobileNetV2-1.0 224x224", required=True)
V3 = flags.DEFINE_string("v3", None, "the int8 MobileNetV3-Large 0.75 160x160, with squeeze-and-excite", required=True)
HERE = Path(__file__).parent

BUDGETS = (1.0, 1.1, 1.3, 2.0)
"""Multiples of the model's work."""

MSF_CNN: dict[str, dict[float, int]] = {
    "mcunet_vww1_80": {1.04: 44_800, 1.30: 26_491},
    "mobilenet_v2_224": {1.09: 556_040, 1.25: 227_475},
}
"""Bytes by the multiple of the work they take: its optimiser (arXiv:2505.11483) on these networks, recounted with input,
output and the skips that cross its blocks, which is still a lower bound of what it needs."""


def least(path: Path, budget: float, feed: str) -> dict[str, Any]:
    """The least arena within a budget, after a comparison with TFLM, and what it computes again."""
    model = tflm_mcunet.compile(path, io="int8", minimize="sram", macs_budget=budget, input=feed)
    verification = model.verify(samples=1)
    if not verification.passed:
        raise SystemExit(f"{path}: {verification.first}")
    executed, again = model.report["macs_executed"], model.report["macs_recomputed"]
    sram = model.report["sram"]
    return {
        "budget": budget,
        "input": feed,
        "arena": sram["arena"],
        "bound": sram["lower_bound"],
        "work": round(executed / (executed - again), 4),
    }


def main(argv: Sequence[str]) -> None:
    """Plans, and writes the table."""
    paths = {
        "mcunet_vww1_80": Path(MODELS.value) / "mcunet_vww1_80.tflite",
        "mobilenet_v2_224": Path(MOBILENET.value),
        "mobilenet_v3_160": Path(V3.value),
    }
    results: dict[str, list[dict[str, Any]]] = {}
    for name, path in paths.items():
        results[name] = []
        for feed in ("whole", "pull"):
            for budget in BUDGETS:
                results[name].append(least(path, budget, feed))
                print(name, results[name][-1])
    (HERE / "front.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "FRONT.md").write_text(table(results))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """The page."""
    lines = [
        "# SRAM against work",
        "",
        "`python benchmarks/planning/front.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite "
        "--v3 mobilenet_v3_160.tflite`",
        "",
        "The least arenas in bytes, and the multiples of the model's work they take, by `--macs-budget`: `--minimize sram`,",
        "int8 edges, bit-exact with TFLM. For msf-CNN: a lower bound of what the choices of its optimiser (arXiv:2505.11483)",
        "need, with input, output and the skips that cross its blocks. mobilenet_v3_160 is MobileNetV3-Large 0.75 with random",
        "weights. What is computed again: rows that inverted bottlenecks expand, where these run as one operator, maps before",
        "squeeze-and-excite gates, and where strips of streamed rows overlap.",
        "",
        f"| model | input | {' | '.join(f'{budget:g}x' for budget in BUDGETS)} | msf-CNN |",
        f"|---|---|{'---|' * (len(BUDGETS) + 1)}",
    ]
    for name, points in results.items():
        bounds = ", ".join(f"{arena:,} at {work:.2f}x" for work, arena in MSF_CNN.get(name, {}).items())
        for feed in ("whole", "pull"):
            cells = [f"{p['arena']:,} at {p['work']:.2f}x" for p in points if p["input"] == feed]
            lines.append(f"| {name} | {feed} | {' | '.join(cells)} | {bounds} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    app.run(main)
