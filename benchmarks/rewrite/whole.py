"""Whole inferences of original and rewritten models in TFLM's interpreter on an emulated Cortex-M7, built from TFLM's sources.

    python -m benchmarks.rewrite.whole --models ../shared/models

Needs the variables of tests/rewrite/from_source.py. Writes whole.json beside this file, and RESULTS.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from absl import app, flags

from benchmarks.rewrite import page
from tests.oracle import random_samples
from tests.rewrite.from_source import Engine
from tests.rewrite.test_rewrite import edges
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options
from tflm_mcunet.rewrite import Rewritten, rewrite

FOLDER = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
HERE = Path(__file__).parent
CORE = "cortex-m7"
KERNELS = ("reference", "cmsis_nn")
MODELS = ("mlperf_kws_dscnn", "mlperf_ic_resnet8", "tflm_person_detect", "mlperf_vww_mobilenet96", "mcunet_vww1_80")


def measured(path: Path, engine: Engine) -> list[dict[str, Any]]:
    """The original's line and those of two rewritten models; raises SystemExit where a byte differs."""
    model = path.read_bytes()
    samples = random_samples(edges(model)[0], 1)
    with Tflm() as oracle:
        expected = b"".join(array.tobytes() for result in oracle.run(model, samples) for array in result.outputs)
    options = Options(target=CORE)
    variants: dict[str, bytes | Rewritten] = {"-": model, "default": rewrite(model, path.name, options)}
    variants["everything"] = rewrite(model, path.name, options, everything=True)
    results = []
    for stage, variant in variants.items():
        run = engine.run(variant, samples)
        if run.outputs != expected:
            raise SystemExit(f"{path.name}: {stage} computes something else on {engine}")
        line = {"model": path.stem, "kernels": engine.kernels, "stage": stage, "arena": run.arena}
        results.append({**line, "instructions": run.instructions})
        print(engine.core, results[-1], flush=True)
    return results


def main(_: list[str]) -> None:
    """Measures the models."""
    results = []
    for path in (Path(FOLDER.value) / f"{name}.tflite" for name in MODELS):
        measured(path, Engine("host"))  # its bytes are compared
        results += [line for kernels in KERNELS for line in measured(path, Engine(CORE, kernels))]
    (HERE / "whole.json").write_text(json.dumps(results, indent=1) + "\n")
    page.write()


if __name__ == "__main__":
    app.run(main)
