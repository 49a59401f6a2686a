"""Compiles a bundled network for a board and runs it, on an emulated core, on a bundled sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

import tflm_mcunet

HERE = Path(__file__).parent
MODELS = {
    "keywords": "keyword_spotting/searched.tflite",
    "fashion": "fashion_mnist/model.tflite",
    "searched-fashion": "searched_fashion/model.tflite",
}
NETWORK = flags.DEFINE_enum("network", "keywords", list(MODELS), "which of the bundled networks")
TARGET = flags.DEFINE_string("target", "stm32f746", "board to compile for")
SAMPLE = flags.DEFINE_integer("sample", 9, "which of the bundled samples to classify", lower_bound=0)
SHADES = " .:-=+*#%@"


def main(argv: Sequence[str]) -> None:
    """Shows sample, answer, memory and instructions."""
    model = HERE / MODELS[NETWORK.value]
    with np.load(model.parent / "samples.npz") as samples:
        if SAMPLE.value >= len(samples["labels"]):
            raise app.UsageError(f"--sample {SAMPLE.value}: there are {len(samples['labels'])}")
        sample, label, names = samples["input_0"][SAMPLE.value], samples["labels"][SAMPLE.value], samples["names"]
    show(sample)

    compiled = tflm_mcunet.compile(model, target=TARGET.value, name="network")
    core = compiled.program.options.board.core
    core = core if core != "generic" else "cortex-m4"
    execution = compiled.bench(on=core, sample=[sample[None]])
    (scores,) = execution.outputs[0]
    verified = compiled.verify(on=core, inputs=[[sample[None]]])
    sizes = execution.model
    print(f"answer        {names[int(scores.argmax())]} (label: {names[int(label)]})")
    print(f"board         {compiled.program.options.board.description}, emulated {core}")
    print(f"SRAM          {compiled.report['sram']['arena']:,} bytes of arena, {execution.stack_bytes:,} of stack")
    print(f"flash         {sizes.text + sizes.rodata:,} bytes: {sizes.text:,} code, {sizes.rodata:,} weights and tables")
    print(f"instructions  {execution.instructions:,} for {compiled.report['macs']:,} MACs")
    print(f"TFLM          {'the same bytes' if verified.passed else 'DIFFERENT: ' + verified.first}")


def show(sample: np.ndarray) -> None:
    """A picture, or the coefficients of a sound over time, [H, W, 1] int8."""
    picture = sample[::2, :, 0].astype(float)
    if sample.shape[1] <= 10:
        picture = sample[:, ::-1, 0].T.astype(float)
        picture -= picture.mean(axis=1, keepdims=True)
    shades = np.interp(picture, (picture.min(), picture.max()), (0, len(SHADES) - 1)).round().astype(int)
    print("\n".join("".join(SHADES[shade] for shade in row) for row in shades))


if __name__ == "__main__":
    app.run(main)
