"""Measures what constants the fastest builds of the reference models hold beside their weights: writes constants.md.

    python benchmarks/kernels/constants.py

It also looks for the least that per-channel parameters can take: the fewest leading bits of a multiplier with which no
accumulator within the channel's bounds gives another output, and the bits of its bias.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import app, flags
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tflm_mcunet.compiled import Compiled  # noqa: E402
from tflm_mcunet.compiler import build  # noqa: E402
from tflm_mcunet.execute.cores import CORES  # noqa: E402
from tflm_mcunet.execute.image import build_image  # noqa: E402
from tflm_mcunet.kernels.dsp import packing  # noqa: E402
from tflm_mcunet.operators.convolution import Convolution  # noqa: E402
from tflm_mcunet.operators.depthwise_conv_2d import DepthwiseConv2D  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402

MEASURED = ("cortex-m7", "cortex-m55")
SAMPLES = 8  # channels of each layer whose least parameters are looked for
SHIFT_BITS = 5
BOUND = 0.06

FLAGS = flags.FLAGS
flags.DEFINE_string("shared", str(ROOT.parent / "shared"), "folder that holds models/", allow_override=True)


class Layer(NamedTuple):
    """Bytes of weights that are kept, with depthwise ones as int16 too, its channels, and least bits of their parameters."""

    weights: int
    widened: int
    channels: int
    least: float


class Constants(NamedTuple):
    """Bytes of a model on one core: the linked .rodata, and the arrays of its operators."""

    rodata: int
    arrays: int


# ---- the least that parameters take ----


def thresholds(channel: packing.Channel, multiplier: int, zero: int) -> NDArray[np.int64]:
    """Per output above the least, the first accumulator within the bounds that reaches it (binary search in all at once)."""
    levels = np.arange(-127, 128)
    low, high = np.full(levels.shape, -channel.bound - 1, np.int64), np.full(levels.shape, channel.bound + 1, np.int64)
    while (low < high).any():
        middle = (low + high) >> 1
        product = (middle * multiplier + (1 << 30)) >> 31
        rounded = (product + (1 << channel.shift >> 1) - (product < 0) * (channel.shift > 0)) >> channel.shift
        reached = rounded + zero >= levels
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return low


def multiplier_bits(channel: packing.Channel, zero: int) -> int:
    """The fewest leading bits of a multiplier that changes no output."""
    goal = thresholds(channel, channel.multiplier, zero)
    for bits in range(10, 31):
        unit = 1 << 31 - bits
        nearest = channel.multiplier // unit
        if any(np.array_equal(goal, thresholds(channel, unit * other, zero)) for other in (nearest, nearest + 1)):
            return bits
    return 31


def least(op: Convolution, live: Sequence[packing.Channel]) -> float:
    """Mean bits of multiplier, shift and bias; every bias of a layer has the bits of its largest."""
    some = [channel for channel in live[:: max(1, len(live) // SAMPLES)] if channel.shift >= 0]
    if not some or len({(channel.multiplier, channel.shift) for channel in live}) == 1:
        multiplier = 0.0
    else:
        multiplier = float(np.mean([multiplier_bits(channel, op.output.zero_point) for channel in some])) + SHIFT_BITS
    return multiplier + max((abs(channel.bias).bit_length() + 1 for channel in live), default=0)


# ---- measuring ----


def layers(compiled: Compiled) -> Iterator[Layer]:
    """The layers with weights."""
    for op in compiled.program.lowered.operators:
        if isinstance(op, Convolution):
            depthwise = isinstance(op, DepthwiseConv2D)
            weights = op.weights.reshape(-1, op.weights.shape[-1]).T if depthwise else op.weights.reshape(len(op.weights), -1)
            live = [channel for channel in packing.channels(op, weights) if channel.value is None]
            kept = len(live) * weights.shape[1]
            yield Layer(kept, kept * (1 + depthwise), len(live), least(op, live))


def constants(compiled: Compiled, core: str) -> Constants:
    """What the linked inference holds."""
    with compiled.generated() as generated, tempfile.TemporaryDirectory() as folder:
        image = build_image(generated, CORES[core], Path(folder))
    return Constants(image.sizes("model").rodata, compiled.program.emission.constant_bytes)


def row(name: str, path: Path) -> list[str]:
    """One model's line of the table."""
    found: dict[str, Constants] = {}
    for core in MEASURED:
        data = path.read_bytes()
        compiled = Compiled(data, build(data, name, Options(target=core, io="int8", name="model", sram=4 << 20)))
        found[core] = constants(compiled, core)
    parts = list(layers(compiled))
    weights, widened, channels = (sum(getattr(part, field) for part in parts) for field in ("weights", "widened", "channels"))
    bits = sum(part.least * part.channels for part in parts)
    m7 = found["cortex-m7"]
    over = [f"{each.rodata / widened - 1:+.1%}" for each in found.values()]
    parameters, tables = m7.arrays - weights, m7.rodata - m7.arrays
    return [
        name,
        *(f"{value:,}" for value in (weights, widened, channels, parameters, tables)),
        *over,
        f"{parameters / channels:.1f}",
        f"{bits / channels / 8:.1f}",
        f"{(weights + bits / 8) / widened - 1:+.1%}",
        f"{(weights + bits / 8 + tables) / widened - 1:+.1%}",
    ]


def main(arguments: Sequence[str]) -> None:
    """Measures and writes."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]}")
    titles = [
        "model",
        "weights",
        "depthwise as int16",
        "channels",
        "parameters",
        "tables",
        *(core[7:].upper() for core in MEASURED),
    ]
    titles += ["parameters per channel", "least per channel", "least", "least with the tables"]
    lines = ["| " + " | ".join(titles) + " |", "|---|" + "---:|" * (len(titles) - 1)]
    for path in sorted((Path(FLAGS.shared) / "models").glob("*.tflite")):
        lines.append("| " + " | ".join(row(path.stem, path)) + " |")
        print(lines[-1], flush=True)
    (HERE / "constants.md").write_text(TEXT + "\n".join(lines) + "\n")


TEXT = f"""# Constants

.rodata of the fastest builds (`--io int8 --sram 4MB`), in bytes, written by

    python benchmarks/kernels/constants.py

- weights: those of channels that are not constant, a byte each; "depthwise as int16" counts depthwise ones twice, as they
  might be stored for speed (ours stay a byte). Columns M7 and M55: how much .rodata is above the latter; {BOUND:.0%} is the aim.
- parameters (M7): all other arrays, with what fills weights up to words. Tables (M7): the rest, which are records of operators
  and tensors, and events.
- least per channel: bytes for a multiplier with so few leading bits that one less would change an output for some accumulator
  within the channel's bounds ({SAMPLES} channels of each layer), {SHIFT_BITS} bits of shift, and a bias as wide as the layer's
  largest; only biases where all channels share a scale. From these the least excess follows, without and with these tables.

"""


if __name__ == "__main__":
    app.run(main)
