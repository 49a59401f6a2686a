"""Executed instructions of single layers: python -m benchmarks.kernels.depthwise [CORE] [-v]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.build import ModelBuilder
from tests.kernels.test_depthwise_dsp import Case, network
from tests.operators.test_binary import connect
from tests.oracle import random_samples, types
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.generated import Generated
from tflm_mcunet.execute.qemu import Execution, run_on
from tflm_mcunet.options import Options


def layer(size: tuple[int, int], channels: int, window: int, stride: int, padding: str = "SAME", multiplier: int = 1) -> Case:
    """A layer as the kernels' tests build it."""
    return {
        "size": size,
        "channels": channels,
        "window": (window, window),
        "stride": (stride, stride),
        "padding": padding,
        "multiplier": multiplier,
    }


LAYERS = {
    "mcunet_vww1": [
        layer((40, 40), 16, 3, 1),
        layer((42, 42), 48, 3, 2, "VALID"),
        layer((20, 20), 48, 3, 1),
        layer((26, 26), 48, 7, 2, "VALID"),
        layer((10, 10), 144, 3, 1),
        layer((10, 10), 120, 5, 1),
        layer((16, 16), 144, 7, 2, "VALID"),
        layer((5, 5), 240, 7, 1),
        layer((5, 5), 240, 3, 1),
        layer((5, 5), 240, 5, 2),
        layer((3, 3), 480, 3, 1),
        layer((3, 3), 288, 5, 1),
    ],
    "mobilenet96": [
        layer((48, 48), 8, 3, 1),
        layer((48, 48), 16, 3, 2),
        layer((12, 12), 64, 3, 1),
        layer((12, 12), 64, 3, 2),
        layer((6, 6), 128, 3, 1),
        layer((6, 6), 128, 3, 2),
    ],
    "kws": [layer((25, 5), 64, 3, 1)],
    "fpn": [layer((64, 80), 16, 3, 1), layer((66, 82), 32, 3, 2, "VALID")],
    "person_detect": [layer((96, 96), 1, 3, 2, "SAME", 8)],
}


def addition(shape: tuple[int, ...]) -> bytes:
    """A model of one ADD."""
    b = ModelBuilder()
    inputs = [b.input(shape, scale=scale, zero_point=3) for scale in (0.051713897, 0.033152419)]
    y = b.tensor(shape, scale=0.063471893, zero_point=-4)
    connect(b, "ADD", inputs, y)
    return b.build([y])


def measure(model: bytes, core: str) -> tuple[Execution, int, str]:
    """What an inference takes, the scratch of its only operator, and its function."""
    program = build(model, "m", Options(target=core, sram=1 << 24))
    (op,) = program.lowered.operators
    record = op.record()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in program.emission.files.items():
            (Path(folder) / name).write_text(text)
        generated = Generated(Path(folder), "m", types(program.graph.inputs), types(program.graph.outputs))
        return run_on(core, generated, random_samples(program.graph.inputs, 1)), op.scratch, record.function or record.kernel


def main(core: str = "cortex-m4") -> None:
    """Prints a table."""
    print("| model | layer | instructions per MAC | per output | scratch | .text | function |")
    print("|---|---|---|---|---|---|---|")
    for name, layers in LAYERS.items():
        for case in layers:
            done, scratch, function = measure(network([case], 1), core)
            stride = case["stride"][0]
            height, width = (
                -(-s // stride) if case["padding"] == "SAME" else (s - case["window"][0]) // stride + 1 for s in case["size"]
            )
            outputs = height * width * case["channels"] * case["multiplier"]
            window = case["window"][0]
            text = f"{case['size'][0]}x{case['size'][1]}x{case['channels']} {window}x{window} stride {stride}"
            per = done.instructions / outputs
            columns = [name, text, f"{per / window**2:.2f}", f"{per:.1f}", str(scratch), str(done.model.text), function[25:]]
            print(f"| {' | '.join(columns)} |", flush=True)
            if "-v" in sys.argv and done.counts is not None:
                functions = done.counts.functions.items()
                print("   ", ", ".join(f"{k} {v / outputs:.2f}" for k, v in functions if v > outputs / 10))
    for shape in ((1, 20, 20, 16), (1, 5, 5, 40)):
        done, scratch, function = measure(addition(shape), core)
        per = done.instructions / int(np.prod(shape))
        print(f"| ADD | {'x'.join(map(str, shape[1:]))} | | {per:.2f} | {scratch} | {done.model.text} | {function} |")


if __name__ == "__main__":
    main(*[a for a in sys.argv[1:] if not a.startswith("-")])
