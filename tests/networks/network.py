"""A network under construction: activations with the reals they are likely to hold, so that scales can be chosen to fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.build import ModelBuilder
from tests.networks.source import Source

MAX_ELEMENTS = 6000
MAX_MACS = 400_000
SAMPLE = 160
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
CODES = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
CLAMPS = {"NONE": (-np.inf, np.inf), "RELU": (0, np.inf), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor: its number, how it is quantised, and reals drawn from what it is likely to hold."""

    tensor: int
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    sample: np.ndarray
    constant: bool = False
    dtype: type[np.generic] = np.int8

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def quantization(self) -> tuple[float, int]:
        return self.scale, self.zero_point

    @property
    def is_image(self) -> bool:
        """NHWC with one image, as windowed operators want it."""
        return self.rank == 4 and self.shape[0] == 1


@dataclass
class Network:
    """A ModelBuilder and what was built so far: `values` are the int8 activations, `others` those of other types.

    `kinds` are the operators allowed. A `wild` network has scales that do not fit: large and tiny multipliers, saturation.
    """

    source: Source
    kinds: frozenset[str]
    builder: ModelBuilder = field(default_factory=ModelBuilder)
    values: list[Value] = field(default_factory=list)
    others: list[Value] = field(default_factory=list)
    read: set[int] = field(default_factory=set)
    activations: list[int] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.source.integer(0, 2**32 - 1))
        self.wild = self.source.chance(8)

    def knows(self, *kinds: str) -> bool:
        return self.kinds.issuperset(kinds)

    # ---- tensors ----

    def quantization(self, sample: np.ndarray) -> tuple[float, int]:
        """A scale and zero point under which the sample spreads over int8: as a converter has it, or off on purpose."""
        low, high = min(0.0, *np.percentile(sample, [1, 1])), max(0.0, *np.percentile(sample, [99, 99]))
        width = high - low if high > low else 1.0
        style = self.source.integer(0, 9)
        if style < 7:
            scale = width / 255 * self.source.real(0.6, 1.6)
            zero_point = int(np.clip(round(-128 - low / scale), -128, 127))
        elif style == 7:
            scale, zero_point = max(high, -low, width / 2) / 127, 0
        else:
            scale, zero_point = width / 150, self.source.choice((-128, 127, -1, 1, self.source.integer(-128, 127)))
        if self.wild:
            scale *= 2 ** self.source.real(-8, 8)
        return float(np.float32(np.clip(scale, 1e-4, 8))), zero_point

    def activation(self, shape: Sequence[int], sample: np.ndarray, quantization: tuple[float, int] | None = None) -> Value:
        """An int8 tensor that an operator is about to compute; `sample` are the reals it would hold without quantisation."""
        scale, zero_point = quantization or self.quantization(sample)
        tensor = self.builder.tensor(shape, np.int8, scale, zero_point)
        return Value(tensor, tuple(int(d) for d in shape), scale, zero_point, quantized(sample, scale, zero_point))

    def moved(self, value: Value, shape: Sequence[int]) -> Value:
        """A tensor that will hold elements of `value` in another shape."""
        scale = None if value.dtype == np.float32 else value.scale
        tensor = self.builder.tensor(shape, value.dtype, scale, value.zero_point)
        return replace(value, tensor=tensor, shape=tuple(int(d) for d in shape))

    def constant(self, shape: Sequence[int], quantization: tuple[float, int] | None = None) -> Value:
        """An int8 constant of random values."""
        scale, zero_point = quantization or (self.source.real(0.004, 0.04), self.source.choice((0, -128, 127, 3)))
        data = self.rng.integers(-128, 128, tuple(shape))
        tensor = self.builder.constant(data, np.int8, scale, zero_point)
        sample = scale * (self.rng.choice(data.reshape(-1), SAMPLE) - zero_point)
        return Value(tensor, tuple(shape), scale, zero_point, sample, constant=True)

    def integers(self, values: Any) -> int:
        """An int32 constant such as axes, sizes or paddings."""
        return self.builder.constant(values, np.int32)

    def draw(self, value: Value, *shape: int) -> np.ndarray:
        """Independent draws from a value's sample."""
        return self.rng.choice(value.sample, shape or SAMPLE)

    # ---- operators ----

    def apply(
        self, kind: str, inputs: Sequence[Value | int], outputs: Sequence[Value | int], options: str | None = None, **fields: Any
    ) -> list[Value]:
        """Adds an operator; returns those of its outputs that are Values, ready for others to read."""
        numbers = [t.tensor if isinstance(t, Value) else t for t in outputs]
        self.builder.operator(kind, [t.tensor if isinstance(t, Value) else t for t in inputs], numbers, options, **fields)
        self.used[kind] += 1
        self.read.update(t.tensor for t in inputs if isinstance(t, Value))
        self.activations += numbers
        values = [t for t in outputs if isinstance(t, Value)]
        self.values += [v for v in values if v.dtype == np.int8]
        self.others += [v for v in values if v.dtype != np.int8]
        return values

    def like(self, value: Value, target: Value) -> Value:
        """`value` in the quantisation of `target`, or a constant of its shape where QUANTIZE is not there."""
        if value.quantization == target.quantization:
            return value
        if value.constant or not self.knows("QUANTIZE"):
            return self.constant(value.shape, target.quantization)
        return self.apply("QUANTIZE", [value], [self.activation(value.shape, value.sample, target.quantization)])[0]

    def build(self, *, intermediates: bool) -> bytes:
        """The .tflite; its outputs are the tensors that nobody reads, or everything that is computed; seldom also an input."""
        outputs = self.activations if intermediates else [t for t in self.activations if t not in self.read]
        if self.source.chance(4):
            outputs = [*outputs, self.source.choice(self.builder.inputs)]
        if self.source.chance(4):
            outputs = [*outputs, self.source.choice(outputs)]
        return self.builder.build(outputs)


def quantized(sample: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """The reals that remain of a sample after quantisation."""
    return scale * (np.clip(np.round(sample / scale) + zero_point, -128, 127) - zero_point)
