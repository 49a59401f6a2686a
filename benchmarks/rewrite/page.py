"""RESULTS.md from what `run` and `whole` have measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

STAGES = """# Rewritten models in TFLM

TFLM's interpreter of the `tflite-micro` wheel (reference kernels, 64 bits) runs the original and the rewritten model, the latter
with the stage from a shared library, on the same three random inputs; every output byte is the same, or the script stops.

- "arena" is what TFLM's recording allocator reports as total, "tensors" its head: tensors and scratch memory. The difference is
  what TFLM keeps for its own operators and tensors, with pointers of 64 bits here.
- "model" is the flatbuffer; what leaves it is "in C", as constants.
- "executed" are the instructions of the stage alone, for the Cortex-M7, counted in QEMU. Operators outside the stage are TFLM's
  and not counted.
- Regions are numbers of operators, the last one excluded.
- "default": the region that leaves the least tensors; its stage may take 1.25 times its least. "least": `--minimize sram`.
  "everything": `--everything`. Models whose arena no region would shrink have the last alone.

    python -m benchmarks.rewrite.run --models ../shared/models

"""
COLUMNS = (
    "model | how | region | operators | arena before | after | tensors before | after | model before | after | in C | executed"
)

WHOLE = """## Whole inferences, with TFLM built from its sources

TFLM's interpreter (commit 90b983c2) for the Cortex-M7 in QEMU, with its reference kernels and with CMSIS-NN's (4ab83cc3, which it
names), gcc -O2 for all. "arena" is `arena_used_bytes()`, with pointers of 32 bits; "executed" are the instructions of `Invoke()`,
those of TFLM's operators included. Outputs are those of the original under the same kernels and in the `tflite-micro` wheel, byte
for byte; so are those of the interpreter built for the host. "-" is the original model.

    TFLM_ROOT=... FLATBUFFERS_ROOT=... GEMMLOWP_ROOT=... RUY_ROOT=... CMSIS_NN_ROOT=... TFLM_BUILD=FOLDER \\
        python -m benchmarks.rewrite.whole --models ../shared/models

| model | kernels | stage | arena | executed | original / executed |
|---|---|---|---:|---:|---:|
"""


def write() -> None:
    """Writes RESULTS.md beside this file."""
    stages, inferences = (json.loads((HERE / f"{name}.json").read_text()) for name in ("results", "whole"))
    table = f"| {COLUMNS} |\n|---|---|---{'|---:' * 9}|\n{''.join(map(line, stages))}"
    (HERE / "RESULTS.md").write_text(f"{STAGES}{table}\n{WHOLE}{''.join(_lines(inferences))}")


def line(result: dict[str, Any]) -> str:
    """A result as a line of the table."""
    pairs = [f"{n:,}" for key in ("arena", "tensors", "bytes") for n in result[key]]
    cells = [
        result["model"],
        result["how"],
        result["region"],
        str(result["operators"]),
        *pairs,
        f"{result['weights']:,}",
        f"{result['instructions']:,}",
    ]
    return f"| {' | '.join(cells)} |\n"


def _lines(inferences: list[dict[str, Any]]) -> list[str]:
    """Whole inferences as lines of the table."""
    originals = {(r["model"], r["kernels"]): r["instructions"] for r in inferences if r["stage"] == "-"}
    lines = []
    for result in inferences:
        gain = originals[result["model"], result["kernels"]] / result["instructions"]
        cells = [result["model"], result["kernels"], result["stage"], f"{result['arena']:,}", f"{result['instructions']:,}"]
        lines.append(f"| {' | '.join(cells)} | {gain:.2f} |\n")
    return lines
