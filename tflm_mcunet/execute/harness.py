"""The C program around a model that reads samples from a file and writes outputs to a file, on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tflm_mcunet.execute.generated import Generated, RunError

FOLDER = Path(__file__).with_name("program")
FAILURES = {
    2: "the harness could not read or write its files",
    4: "invoke reported an error",
    5: "rows were not asked for in order, once each",
}


def write_model_header(model: Generated, folder: Path) -> None:
    """Writes harness_model.h, which ties main.c to one model and checks the sizes in the model's own header."""
    prefix, upper = model.prefix, model.prefix.upper()
    lines = [f'#include "{prefix}.h"', f"#define MODEL_INPUT {prefix}_input", f"#define MODEL_OUTPUT {prefix}_output"]
    if model.pull:
        image = model.inputs[0]
        lines += [
            f"#define MODEL_INVOKE_ROWS {prefix}_invoke_rows",
            f"#define MODEL_ROWS {image.rows}",
            f"#define MODEL_IMAGE_BYTES {image.nbytes}",
        ]
    else:
        lines.append(f"#define MODEL_INVOKE {prefix}_invoke")
    for edge, types in (("INPUT", model.inputs), ("OUTPUT", model.outputs)):
        sizes = [f"{upper}_{edge}_{index}_BYTES" for index in range(len(types))]
        lines.append(f"#define MODEL_{edge}_BYTES {', '.join(sizes)}")
        for name, kind in zip(sizes, types, strict=True):
            lines += [f"#if {name} != {kind.nbytes}", f"#error {name} is not {kind.nbytes}", "#endif"]
    (folder / "harness_model.h").write_text("\n".join(lines) + "\n")


def write_samples(model: Generated, samples: Sequence[Sequence[np.ndarray]], folder: Path) -> None:
    """Writes input.bin; raises RunError where a sample does not fit the model."""
    (folder / "input.bin").write_bytes(b"".join(model.pack(sample) for sample in samples))


def read_outputs(model: Generated, samples: int, folder: Path) -> list[list[np.ndarray]]:
    """The outputs per sample; raises RunError where there are not `samples` of them."""
    outputs = model.unpack((folder / "output.bin").read_bytes())
    if len(outputs) != samples:
        raise RunError(f"the model ran {len(outputs)} of {samples} samples")
    return outputs
