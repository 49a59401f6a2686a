"""What `rewrite` gains: TFLM's arena and model before and after, in its own interpreter, and what a stage executes.

    python -m benchmarks.rewrite.run --models ../shared/models

Writes results.json beside this file and RESULTS.md, where what `whole` has measured comes, too.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.rewrite import page
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


def main(_: list[str]) -> None:
    """Measures every model in three ways."""
    results = []
    for path in sorted(Path(MODELS.value).glob("*.tflite")):
        for how in ("default", "least", "everything"):
            try:
                results.append(measured(path, how))
                print(page.line(results[-1]), end="", flush=True)
            except Error as error:
                print(f"{path.stem}: {error}", flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    page.write()


if __name__ == "__main__":
    app.run(main)
