"""Dead channels: removed where that is exact, kept where it is not, and no byte changed either way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.networks.expose import computed, with_outputs
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.options import Options

MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "models"
SAME, VALID = 0, 1
NONE, RELU = 0, 1
FAR = 1 << 24
"""A bias that no sum reaches."""


def widths(program: Program) -> list[int]:
    """The channels that each operator makes."""
    return [op.output.shape[-1] for op in program.graph.operators]


def convolution(
    b: ModelBuilder,
    x: int,
    outputs: int,
    *,
    depthwise: bool = False,
    window: int = 1,
    stride: int = 1,
    padding: int = SAME,
    zero: int = -128,
    low: Sequence[int] = (),
    high: Sequence[int] = (),
    unread: Sequence[int] = (),
    negative: Sequence[int] = (),
    centre_only: Sequence[int] = (),
    activation: int = RELU,
    with_bias: bool = True,
) -> int:
    """A convolution whose outputs stay within range.

    `low` and `high` outputs are stuck at a clamp, `unread` inputs have no weights, `centre_only` inputs none but in the middle,
    and the scales of `negative` outputs are negative.
    """
    rng = np.random.default_rng(len(b.tensors))
    _, height, width, channels = b.shape(x)
    shape = (1, window, window, outputs) if depthwise else (outputs, window, window, channels)
    weights = rng.integers(-127, 128, shape)
    if not depthwise:
        weights[..., list(unread)] = 0
        border = np.ones((window, window), np.bool_)
        border[window // 2, window // 2] = False
        for channel in centre_only:
            weights[:, border, channel] = 0
    scales = rng.uniform(0.005, 0.02, outputs)
    scales[list(negative)] *= -1
    scales = scales.astype(np.float32).astype(float)
    taps = weights.size // outputs
    w = b.constant(weights, scale=scales, axis=3 if depthwise else 0)
    given = b.tensors[x].quantization.scale[0]
    bias = rng.integers(1000, 4000, outputs)  # so that no other output is stuck at zero by chance
    bias[list(low)], bias[list(high)] = -FAR, FAR
    bias = np.where(scales < 0, -bias, bias)
    extra = [b.constant(bias, np.int32, scale=scales * given)] if with_bias else []
    size = [-(-n // stride) if padding == SAME else (n - window) // stride + 1 for n in (height, width)]
    y = b.tensor((1, *size, outputs), scale=float(given * 0.01 * 75 * np.sqrt(taps)), zero_point=zero)
    fields = {"padding": padding, "strideH": stride, "strideW": stride, "fusedActivationFunction": activation}
    if depthwise:
        fields["depthMultiplier"] = outputs // channels
    kind, table = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
    b.operator(kind, [x, w, *extra], [y], table, **fields)
    return y


def fully_connected(b: ModelBuilder, x: int, outputs: int) -> int:
    depth = int(np.prod(b.shape(x)))
    rng = np.random.default_rng(len(b.tensors))
    y = b.tensor((1, outputs), scale=float(b.tensors[x].quantization.scale[0] * 0.75 * np.sqrt(depth)), zero_point=3)
    w = b.constant(rng.integers(-127, 128, (outputs, depth)), scale=0.01)
    b.operator("FULLY_CONNECTED", [x, w], [y], "FullyConnectedOptions")
    return y


def check(b: ModelBuilder, output: int, expected: Sequence[int]) -> Program:
    """Compiles, compares with TFLM and looks at the channels that are left."""
    model = b.build([output])
    program = build(model)
    assert widths(program) == list(expected)
    kept = build(model, options=Options(dead_channels=False))
    assert sum(widths(kept)) >= sum(expected)
    assert_bit_exact([model], samples=5)
    return program


def test_a_chain_of_convolutions_narrows_throughout() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 9, 8, 3)), 8, window=3, stride=2, low=[0, 3, 7])
    x = convolution(b, x, 8, window=3, depthwise=True, low=[1])
    x = convolution(b, x, 12, low=[4, 5])
    x = convolution(b, x, 12, window=3, stride=2, depthwise=True)
    program = check(b, convolution(b, x, 5, activation=NONE, zero=4), [4, 4, 10, 10, 5])
    report = Compiled(b.build([x]), program).report
    assert report["macs_executed"] < report["macs"] == sum(op.macs for op in program.source.operators)
    assert report["channels"] == {"total": 8 + 8 + 12 + 12 + 5, "removed": 4 + 4 + 2 + 2}


@pytest.mark.parametrize("negative", [[], [1, 2]])
@pytest.mark.parametrize("with_bias", [False, True])
def test_a_constant_that_is_not_the_zero_point_folds_into_biases(with_bias: bool, negative: list[int]) -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[0], high=[1, 4], zero=-20, activation=NONE, negative=negative)
    x = convolution(b, x, 7, window=3, padding=VALID, with_bias=with_bias)
    check(b, convolution(b, x, 4, with_bias=with_bias), [3, 7, 4])


def test_padding_that_meets_another_value_keeps_the_channel() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[0], high=[1, 4])
    check(b, convolution(b, x, 4, window=3), [5, 4])  # channel 0 is at the zero point
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[0], high=[1, 4])
    check(b, convolution(b, x, 4, window=3, centre_only=[4]), [4, 4])  # channel 4 never meets the border
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, high=[1, 4])
    x = convolution(b, x, 6, window=3, depthwise=True)
    check(b, convolution(b, x, 4), [6, 6, 4])


@pytest.mark.parametrize(("window", "padding", "left"), [(3, VALID, 5), (2, SAME, 5), (3, SAME, 6)])
def test_windows_that_need_no_padding(window: int, padding: int, left: int) -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 8, 6, 3)), 6, high=[2])
    x = convolution(b, x, 6, window=window, stride=2, depthwise=True, padding=padding, low=[2])
    x = convolution(b, x, 4)
    check(b, x, [5, 5, 4])
    b = ModelBuilder()
    x = convolution(b, b.input((1, 8, 6, 3)), 6, high=[2])
    check(b, convolution(b, x, 4, window=window, stride=2, padding=padding), [left, 4])


def test_inputs_without_weights_are_not_computed() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6)
    x = convolution(b, x, 6, window=3, depthwise=True)
    check(b, convolution(b, x, 4, unread=[1, 5]), [4, 4, 4])


@pytest.mark.parametrize("multiplier", [2, 3])
def test_depth_multipliers(multiplier: int) -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 4, low=[1])
    x = convolution(b, x, 4 * multiplier, window=3, depthwise=True, low=[0])
    check(b, convolution(b, x, 5), [3, 3 * multiplier, 5])
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 1)), 8, window=3, depthwise=True, low=[1, 2])
    check(b, convolution(b, x, 5), [6, 5])


def test_outputs_and_other_readers_keep_the_channel() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[1])
    y = convolution(b, x, 4)
    model = b.build([x, y])
    assert widths(build(model)) == [6, 4]
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[1])
    z = b.tensor(b.shape(x), scale=1 / 256, zero_point=-128)
    b.operator("SOFTMAX", [x], [z], "SoftmaxOptions", beta=1.0)
    other = b.build([convolution(b, x, 4), z])
    assert sorted(widths(build(other))) == [4, 6, 6]
    assert_bit_exact([model, other], samples=5)


def test_all_channels_dead_leaves_one() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=range(6))
    check(b, convolution(b, x, 4), [1, 4])


def add(b: ModelBuilder, x: int, y: int) -> int:
    z = b.tensor(b.shape(x), scale=b.tensors[x].quantization.scale[0] * 1.6, zero_point=-128)
    b.operator("ADD", [x, y], [z], "AddOptions", fusedActivationFunction=RELU)
    return z


def test_residuals_lose_what_is_dead_on_both_sides() -> None:
    b = ModelBuilder()
    x = convolution(b, b.input((1, 6, 5, 3)), 6, low=[1, 2])
    y = convolution(b, x, 6, low=[2, 3])
    z = add(b, x, y)
    check(b, convolution(b, z, 4), [5, 5, 5, 4])


def test_heads() -> None:
    """Pooling, MEAN and flattening before FULLY_CONNECTED."""
    for head in ("AVERAGE_POOL_2D", "MEAN", "RESHAPE"):
        b = ModelBuilder()
        x = convolution(b, b.input((1, 4, 4, 3)), 6, low=[1, 2], high=[5])
        scale = b.tensors[x].quantization.scale[0]
        if head == "RESHAPE":
            y = b.tensor((1, 96), scale=scale, zero_point=-128)
            b.operator("RESHAPE", [x, b.constant((1, 96), np.int32)], [y], "ReshapeOptions")
        elif head == "MEAN":
            y = b.tensor((1, 6), scale=scale * 0.7, zero_point=-100)
            b.operator("MEAN", [x, b.constant([1, 2], np.int32)], [y], "ReducerOptions")
        else:
            y = b.tensor((1, 1, 1, 6), scale=scale, zero_point=-128)
            b.operator(head, [x], [y], "Pool2DOptions", filterHeight=4, filterWidth=4, strideH=4, strideW=4, padding=VALID)
        check(b, fully_connected(b, y, 5), [3, 48 if head == "RESHAPE" else 3, 5])


# ---- random networks ----


@dataclass
class Planted:
    """Random blocks with dead channels; `images` are tensors to go on with."""

    seed: int
    b: ModelBuilder = field(default_factory=ModelBuilder)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def chance(self, percent: int) -> bool:
        return bool(self.rng.integers(100) < percent)

    def some(self, count: int) -> list[int]:
        return list(np.flatnonzero(self.rng.random(count) < self.rng.choice([0, 0.2, 0.6])))

    def conv(self, x: int, outputs: int | None = None, *, depthwise: bool = False, stride: int | None = None) -> int:
        channels = self.b.shape(x)[3]
        outputs = outputs or (channels * int(self.rng.choice([1, 1, 2])) if depthwise else int(self.rng.integers(1, 13)))
        padding = int(self.rng.integers(2)) if min(self.b.shape(x)[1:3]) >= 3 else SAME
        return convolution(
            self.b,
            x,
            outputs,
            depthwise=depthwise,
            window=1 if stride == 1 else int(self.rng.choice([1, 2, 3])),
            stride=stride or int(self.rng.choice([1, 1, 2])),
            padding=padding,
            zero=int(self.rng.choice([-128, -128, -30, 127])),
            low=self.some(outputs),
            high=[c for c in self.some(outputs) if self.chance(30)],
            unread=self.some(channels) if self.chance(30) else [],
            negative=self.some(outputs) if self.chance(20) else [],
            centre_only=self.some(channels) if self.chance(20) else [],
            activation=int(self.rng.choice([NONE, RELU, RELU, 3])),
            with_bias=self.chance(90),
        )

    def table(self, x: int) -> int:
        y = self.b.tensor(self.b.shape(x), scale=1 / 256, zero_point=-128)
        self.b.operator("LOGISTIC", [x], [y])
        return y

    def binary(self, x: int, y: int) -> int:
        kind = str(self.rng.choice(["ADD", "SUB", "MUL"]))
        scales = [self.b.tensors[t].quantization.scale[0] for t in (x, y)]
        scale = scales[0] * scales[1] * 60 if kind == "MUL" else 1.5 * max(scales)
        z = self.b.tensor(self.b.shape(x), scale=scale, zero_point=int(self.rng.choice([-128, 0, 17])))
        activation = int(self.rng.choice([NONE, RELU]))
        self.b.operator(kind, [x, y], [z], f"{kind.capitalize()}Options", fusedActivationFunction=activation)
        return z

    def pool(self, x: int) -> int:
        _, height, width, channels = self.b.shape(x)
        kind = str(self.rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        q = self.b.tensors[x].quantization
        y = self.b.tensor((1, -(-height // 2), -(-width // 2), channels), scale=q.scale[0], zero_point=q.zeroPoint[0])
        self.b.operator(kind, [x], [y], "Pool2DOptions", filterHeight=3, filterWidth=2, strideH=2, strideW=2, padding=SAME)
        return y

    def concatenation(self, x: int) -> int:
        y = self.pad(x, 0)
        q = self.b.tensors[x].quantization
        shape = self.b.shape(x)
        z = self.b.tensor((*shape[:3], 2 * shape[3]), scale=q.scale[0], zero_point=q.zeroPoint[0])
        self.b.operator("CONCATENATION", [x, y], [z], "ConcatenationOptions", axis=3)
        return z

    def pad(self, x: int, by: int = 1) -> int:
        _, height, width, channels = self.b.shape(x)
        q = self.b.tensors[x].quantization
        y = self.b.tensor((1, height + by, width + 2 * by, channels), scale=q.scale[0], zero_point=q.zeroPoint[0])
        self.b.operator("PAD", [x, self.b.constant([[0, 0], [0, by], [by, by], [0, 0]], np.int32)], [y], "PadOptions")
        return y

    def build(self) -> bytes:
        height, width = (int(n) for n in self.rng.integers(4, 9, 2))
        x = self.b.input((1, height, width, int(self.rng.integers(1, 5))), zero_point=int(self.rng.choice([0, -128, 5])))
        x = self.conv(x, depthwise=self.chance(30))
        for _ in range(int(self.rng.integers(2, 7))):
            block = int(self.rng.integers(9))
            if block < 3:
                x = self.conv(self.conv(x), depthwise=True)
            elif block == 3:
                x = self.binary(x, self.conv(x, self.b.shape(x)[3], stride=1))
            elif block == 4:
                x = self.table(x)
            elif block == 5:
                x = self.pool(x)
            elif block == 6:
                x = self.pad(x)
            elif block == 7 and self.b.shape(x)[3] < 16:
                x = self.concatenation(x)
            else:
                x = self.conv(x)
        return self.b.build([fully_connected(self.b, x, 4) if self.chance(50) else self.conv(x, int(self.rng.integers(1, 6)))])


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(100, 1000, 100))])
def test_random_networks(first: int) -> None:
    models = [Planted(seed).build() for seed in range(first, first + 60)]
    narrower = 0
    for model in models:
        kept, removed = (widths(build(model, options=Options(dead_channels=d))) for d in (False, True))
        narrower += sum(removed) < sum(kept)
    assert narrower > 20
    assert_bit_exact(models, samples=4, seed=first)


# ---- models ----


@pytest.mark.parametrize(
    ("name", "most"), [("mlperf_vww_mobilenet96", 3_800_000), ("mcunet_vww1_80", 10_900_000), ("tflm_person_detect", 7_050_000)]
)
def test_models_cut_short(name: str, most: int) -> None:
    """Final outputs saturate: the model also ends, one after the other, in some of its tensors."""
    file = MODELS / f"{name}.tflite"
    if not file.exists():
        pytest.skip(f"there is no ../shared/models/{file.name}")
    model = file.read_bytes()
    program = build(model, name)
    report = Compiled(model, program).report
    assert report["macs_executed"] < most < report["macs"]
    assert_bit_exact([with_outputs(model, [tensor]) for tensor in computed(model)[4:-1:7]], samples=3)
