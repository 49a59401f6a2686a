"""What `rewrite` gains: TFLM's arena and model before and after, in its own interpreter, and what a stage executes.

    python -m benchmarks.rewrite.run --models ../shared/models

Writes RESULTS.md and results.json beside this file.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import app, flags

from tests.oracle import random_samples
from tests.rewrite import tflm
from tests.rewrite.test_rewrite import edges
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.compiler import build
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options
from tflm_mcunet.rewrite import Stage, rewrite

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
HERE = Path(__file__).parent
CORE = "cortex-m7"

HEAD = """# Rewritten models in TFLM

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


def stage_instructions(stage: Stage) -> int:
    """Instructions of one run of a stage on the emulated core."""
    program = stage.compiled.program
    alone = build(stage.compiled.model, "stage", replace(program.options, stage=False))
    return Compiled(stage.compiled.model, alone).bench(on=CORE).instructions


def measured(path: Path, how: str) -> dict[str, Any]:
    """One line of the table; raises SystemExit where a byte differs."""
    model = path.read_bytes()
    options = Options(target=CORE, minimize="sram" if how == "least" else "latency")
    rewritten = rewrite(model, path.name, options, everything=how == "everything")
    inputs, outputs = edges(model)
    batch = random_samples(inputs, 3)
    with Tflm() as oracle:
        expected = [result.outputs for result in oracle.run(model, batch)]
        before = oracle.arena_used_bytes(model)
    run = tflm.run(rewritten, batch, outputs)
    for ours, theirs in zip(run.outputs, expected, strict=True):
        if any(a.tobytes() != b.tobytes() for a, b in zip(ours, theirs, strict=True)):
            raise SystemExit(f"{path.name}: the rewritten model computes something else")
    region = rewritten.stages[0].replacement.region
    return {
        "model": path.stem,
        "how": how,
        "region": str(region),
        "operators": region.last - region.first,
        "arena": [before, run.arena],
        "tensors": [rewritten.before, run.tensors],
        "bytes": [len(model), len(rewritten.model)],
        "weights": rewritten.report["stages"][0]["weights"],
        "instructions": stage_instructions(rewritten.stages[0]),
    }


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


def main(_: list[str]) -> None:
    """Measures every model in three ways."""
    results = []
    for path in sorted(Path(MODELS.value).glob("*.tflite")):
        for how in ("default", "least", "everything"):
            try:
                results.append(measured(path, how))
                print(line(results[-1]), end="", flush=True)
            except Error as error:
                print(f"{path.stem}: {error}", flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "RESULTS.md").write_text(f"{HEAD}| {COLUMNS} |\n|---|---|---{'|---:' * 9}|\n{''.join(map(line, results))}")


if __name__ == "__main__":
    app.run(main)
