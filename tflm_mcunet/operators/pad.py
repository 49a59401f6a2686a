"""PAD: constant values around a tensor of up to five dimensions (kernels/pad.cc, reference/pad.h)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import has_one_output
from tflm_mcunet.operators.movement import Move, Movement, along, moves_types, parameters

Pair = tuple[int, int]


def paddings_match_shapes(op: Pad) -> str | None:
    """The paddings are constant int32 pairs, not negative, one for each of at most 5 dimensions, and give the output's shape."""
    source, target, values = op.input(0).shape, op.output.shape, op.integers(1)
    if not len(source) == len(target) <= 5 or len(values) != 2 * len(source):
        return f"{len(values)} values for tensors {op.input(0)} and {op.output}"
    if min(values, default=0) < 0 or any(
        n + before + after != m for n, m, (before, after) in zip(source, target, op.paddings, strict=True)
    ):
        return f"paddings {values} for tensors {op.input(0)} and {op.output}"
    return None


def value_is_constant(op: Pad) -> str | None:
    """The padding value, where it is given, is one constant of the output's type and, for int8, quantisation."""
    if not op.has_value:
        return None if op.output.dtype != np.int8 or -128 <= op.value <= 127 else f"zero point {op.value}"
    value, target = op.input(2), op.output
    if op.constant(2).size != 1 or value.dtype != target.dtype:
        return f"tensors {value} and {target}"
    if target.dtype == np.int8 and parameters(value) != parameters(target):
        return f"scale and zero point {parameters(value)} and {parameters(target)}"
    return None


@dataclass(frozen=True, eq=False)
class Pad(Movement):
    """The input in the middle of the output; around it input 2, or what stands for zero."""

    kind = "PAD"
    constraints = (has_one_output, moves_types("int8", "int16", "int32", "float32"), paddings_match_shapes, value_is_constant)

    @property
    def paddings(self) -> tuple[Pair, ...]:
        """Elements before and after, per dimension."""
        values = self.integers(1)
        return tuple(zip(values[::2], values[1::2], strict=True))

    @property
    def has_value(self) -> bool:
        """Whether input 2 says what to pad with."""
        return len(self.inputs) > 2 and self.inputs[2] is not None

    @property
    def value(self) -> int | float:
        """What is put around the input: input 2, or the output's zero point for int8, or 0."""
        if self.has_value:
            return self.constant(2).reshape(-1)[0].item()
        return parameters(self.output)[1] if self.output.dtype == np.int8 else 0

    @property
    def spatial(self) -> tuple[Pair, Pair] | None:
        """((top, bottom), (left, right)) where nothing else of an NHWC tensor is padded, else None."""
        if len(self.paddings) != 4 or any((*self.paddings[0], *self.paddings[3])):
            return None
        return self.paddings[1], self.paddings[2]

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        inside, value = outputs[0], np.array(self.value, outputs[0].dtype)
        for axis, (before, after) in enumerate(self.paddings):
            end = inside.shape[axis] - after
            if before:
                yield Move(inside[along(axis, slice(0, before))], value, input=None)
            if after:
                yield Move(inside[along(axis, slice(end, None))], value, input=None)
            inside = inside[along(axis, slice(before, end))]
        yield Move(inside, inputs[0])

    def describe(self) -> str:
        return f"{' '.join(f'{before}+{after}' for before, after in self.paddings)} with {self.value}"
