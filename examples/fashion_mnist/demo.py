"""Compiles the bundled Fashion-MNIST model for a board and runs it, on an emulated core, on a bundled picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

import tflm_mcunet

HERE = Path(__file__).parent
TARGET = flags.DEFINE_string("target", "stm32f746", "board to compile for")
PICTURE = flags.DEFINE_integer("picture", 9, "which of the bundled pictures to classify", lower_bound=0)
SHADES = " .:-=+*#%@"


def main(argv: Sequence[str]) -> None:
    """Shows picture, answer, memory and instructions."""
    with np.load(HERE / "samples.npz") as samples:
        picture, label, names = samples["input_0"][PICTURE.value], samples["labels"][PICTURE.value], samples["names"]
    for row in picture.reshape(28, 28)[::2]:
        print("".join(SHADES[(int(value) + 128) * len(SHADES) // 256] for value in row))

    compiled = tflm_mcunet.compile(HERE / "model.tflite", target=TARGET.value, name="fashion")
    core = compiled.program.options.board.core
    core = core if core != "generic" else "cortex-m4"
    execution = compiled.bench(on=core, sample=[picture[None]])
    (scores,) = execution.outputs[0]
    verified = compiled.verify(on=core, inputs=[[picture[None]]])
    sizes = execution.model
    print(f"answer        {names[int(scores.argmax())]} (label: {names[int(label)]})")
    print(f"board         {compiled.program.options.board.description}, emulated {core}")
    print(f"SRAM          {compiled.report['sram']['arena']:,} bytes of arena, {execution.stack_bytes:,} of stack")
    print(f"flash         {sizes.text + sizes.rodata:,} bytes: {sizes.text:,} code, {sizes.rodata:,} weights and tables")
    print(f"instructions  {execution.instructions:,} for {compiled.report['macs']:,} MACs")
    print(f"TFLM          {'the same bytes' if verified.passed else 'DIFFERENT: ' + verified.first}")


if __name__ == "__main__":
    app.run(main)
