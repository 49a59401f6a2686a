"""Operators of two int8 operands, broadcast to a common shape as in NumPy (reference/broadcast_loop.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Ranges, each, whole
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Clamped, Constraint, Operator, Options, Record, has_one_output

Values = NDArray[np.int64]


def has_two_inputs(op: Operator) -> str | None:
    """There are exactly two inputs."""
    return None if len(op.present_inputs) == len(op.inputs) == 2 else f"{len(op.inputs)} inputs"


def shapes_broadcast(op: Binary) -> str | None:
    """The shapes of the inputs broadcast to the output's."""
    shapes = [op.extended(t) for t in (*op.present_inputs, op.output)]
    for *extents, target in zip(*shapes, strict=True):
        if any(extent not in (1, target) for extent in extents) or target != max(extents):
            return ", ".join(map(str, (*op.present_inputs, op.output)))
    return None


@dataclass(frozen=True, eq=False)
class Binary(Operator):
    """An operator of inputs 0 and 1. Each output row comes from one row of each, so that rows can stream."""

    kernel: ClassVar[str]
    """The C header; the function is named after the operator."""
    constraints: ClassVar[tuple[Constraint, ...]] = (has_two_inputs, has_one_output, shapes_broadcast)

    def compute(self, a: Values, b: Values) -> Values:
        """The outputs for integers of both operands, bit for bit what the kernel computes; arrays broadcast."""
        raise NotImplementedError

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields of the C record beside the operands."""
        return {}

    @property
    def weight_bytes_fetched(self) -> int:
        return sum(self.output.elements for t in self.present_inputs if t.constant)

    # ---- shapes ----

    def extended(self, tensor: Tensor) -> tuple[int, ...]:
        """A tensor's shape with leading ones up to the highest rank among operands and output, which is at least 2."""
        rank = max(2, *(len(t.shape) for t in (*self.present_inputs, self.output)))
        return (1,) * (rank - len(tensor.shape)) + tensor.shape

    def _streams(self, position: int) -> bool:
        """Whether output row r comes from row r of this operand."""
        return self.input(position).rows == self.output.rows

    def reads(self, position: int) -> Ranges:
        return each(self.steps) if self._streams(position) else whole(self.steps, self.input(position).rows)

    def in_place(self, position: int) -> bool:
        return self.input(position).elements == self.output.elements

    @property
    def row_pointers(self) -> bool:
        return True

    @property
    def _rows(self) -> Array | None:
        """For each output row the rows of both operands, where an operand is neither one row nor all rows."""
        if all(self._streams(position) or self.input(position).rows == 1 for position in (0, 1)):
            return None
        outer = self.extended(self.output)[:-2]
        rows = [np.arange(t.rows).reshape(self.extended(t)[:-2]) for t in (self.input(0), self.input(1))]
        return np.stack([np.broadcast_to(r, outer).reshape(-1) for r in rows], axis=1).astype(np.int16)

    @property
    def operands(self) -> dict[str, Any]:
        """The fields of `struct mcu_broadcast`."""
        a, b = self.input(0), self.input(1)
        *_, width, channels = self.extended(self.output)
        flat = all(t.row_bytes in (1, self.output.row_bytes) for t in (a, b))
        pixels, count = (1, width * channels) if flat else (width, channels)
        fields: dict[str, Any] = {"a": a, "b": b, "output": self.output, "pixels": pixels, "count": count}
        for name, tensor in (("a", a), ("b", b)):
            inner = tensor.row_bytes if flat else self.extended(tensor)[-1]
            outer = 1 if flat else self.extended(tensor)[-2]
            fields[f"{name}_step"] = int(inner > 1)
            fields[f"{name}_pixel"] = inner if outer > 1 else 0
        if self._rows is not None:
            fields["rows"] = self._rows
        return {f"operands.{name}": value for name, value in fields.items()}

    # ---- offline ----

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        assert constants[0] is not None
        assert constants[1] is not None
        return (self._computed(constants[0], constants[1]).reshape(self.output.shape),)

    def _computed(self, a: Array, b: Array) -> Array:
        return self.compute(a.astype(np.int64), b.astype(np.int64)).astype(np.int8)

    def scalar_table(self) -> tuple[int, Array] | None:
        """Where one operand is a constant of one value: the other's position, and the output for its 256 values, ascending."""
        inputs = np.arange(-128, 128)
        for position in (0, 1):
            scalar, other = self.input(position), self.input(1 - position)
            if scalar.data is not None and scalar.elements == 1 and other.shape == self.output.shape:
                value = scalar.data.reshape(1)
                pair = (value, inputs) if position == 0 else (inputs, value)
                return 1 - position, self._computed(*pair)
        return None

    def record(self) -> Record:
        return Record(self.kernel, self.operands | self.parameters, function=f"mcu_{self.kind.lower()}")


def scale_fields(name: str, factor: tuple[int, int], bits: int) -> dict[str, int]:
    """A multiplier and shift as the `struct mcu_scale` of a C record, for values of magnitudes below 2^bits.

    Raises Error where they do not leave the room that it needs; such factors only saturate.
    """
    multiplier, shift = factor
    left, right = max(shift, 0) + 1, max(-shift, 0)
    if bits + left > 31:
        raise Error(f"a rescaling factor above 2^{30 - bits}")
    fields = {"multiplier": multiplier, "left": left, "right": right}
    if right:
        fields |= {"round": 1 << right - 1, "sign": -1}
    return {f"{name}.{field}": value for field, value in fields.items()}


@dataclass(frozen=True, eq=False)
class Arithmetic(Binary, Clamped):
    """An operator that rescales and clamps its result, perhaps with a fused activation."""

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"activation": options["FusedActivationFunction"]}

    @property
    def zero_points(self) -> dict[str, int]:
        """Zero points and clamp, as fields of the C record."""
        low, high = self.limits
        zeros = {"a_zero": self.input(0).zero_point, "b_zero": self.input(1).zero_point, "zero": self.output.zero_point}
        return zeros | {"low": low, "high": high}

    def describe(self) -> str:
        return "" if self.activation == "NONE" else self.activation
