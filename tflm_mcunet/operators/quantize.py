"""QUANTIZE: float to int8 or int16, and from one quantisation to another (lite/micro/kernels/quantize_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tflm_mcunet.fixed_point import LIMITS, quantize_multiplier, requantize
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Operator, Record, has_one_output
from tflm_mcunet.operators.unary import Unary, factors_are_representable, has_one_input, same_shape

CONVERSIONS = {
    "float32": ("int8", "int16"),
    "int8": ("int8", "uint8", "int16", "int32"),
    "uint8": ("int8",),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}


def quantization_fault(tensor: Tensor) -> str | None:
    """What is wrong with an integer tensor's quantisation, if anything."""
    if tensor.quantization is None or not tensor.quantization.per_tensor:
        return f"tensor {tensor} without per-tensor quantisation"
    limits = np.iinfo(tensor.dtype)
    if tensor.scale <= 0 or not limits.min <= tensor.zero_point <= limits.max:
        return f"tensor {tensor} with scale {tensor.scale}, zero point {tensor.zero_point}"
    return None


def types_convert(op: Operator) -> str | None:
    """The types are float32, int8, int16 or int32 to int8 or int16, int8 to or from uint8, or int8 or int16 to int32."""
    source, target = op.input(0).dtype.name, op.output.dtype.name
    return None if target in CONVERSIONS.get(source, ()) else f"{source} to {target}"


def integers_are_quantized(op: Operator) -> str | None:
    """Integer tensors have one scale and zero point per tensor."""
    tensors = (t for t in (*op.present_inputs, *op.outputs) if t.dtype != np.float32)
    return next(filter(None, map(quantization_fault, tensors)), None)


@dataclass(frozen=True, eq=False)
class Quantize(Unary):
    """A conversion; between 8-bit types it is a table."""

    kind = "QUANTIZE"
    constraints = (
        has_one_input,
        has_one_output,
        types_convert,
        integers_are_quantized,
        same_shape,
        factors_are_representable,
    )

    @property
    def tabular(self) -> bool:
        return self.input(0).dtype.itemsize == self.output.dtype.itemsize == 1

    def table(self) -> Array:
        return self._requantized(self.centred)

    def _requantized(self, centred: Array) -> Array:
        values = requantize(centred.astype(np.int64), *self._factor, self.output.zero_point, *self._limits)
        return values.astype(self.output.dtype)

    @property
    def _factor(self) -> tuple[int, int]:
        return quantize_multiplier(self.input(0).scale / self.output.scale)

    @property
    def _limits(self) -> tuple[int, int]:
        return LIMITS[self.output.dtype]

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        values = constants[0]
        assert values is not None
        if self.tabular:
            return super().evaluate(constants)
        if values.dtype != np.float32:
            return (self._requantized(values.astype(np.int64) - self.input(0).zero_point),)
        low, high = (limit - self.output.zero_point for limit in self._limits)
        with np.errstate(all="ignore"):
            quotient = values / np.float32(self.output.scale)
        clamped = np.where(quotient > low, np.minimum(quotient, high), low).astype(np.float64)
        rounded = np.copysign(np.floor(abs(clamped) + 0.5), clamped)
        return ((rounded + self.output.zero_point).astype(self.output.dtype),)

    def describe(self) -> str:
        return f"{self.input(0).dtype} to {self.output.dtype}"

    def record(self) -> Record:
        if self.tabular:
            return super().record()
        source, target = self.input(0), self.output
        low, high = self._limits
        fields: dict[str, Any] = {"input": source, "output": target, "width": self.width, "zero": target.zero_point}
        if source.dtype == np.float32:
            fields |= {"scale": target.scale, "low": float(low - target.zero_point), "high": float(high - target.zero_point)}
            return Record("quantize", fields, function=f"mcu_quantize_{target.dtype}")
        multiplier, shift = self._factor
        fields |= {"in_zero": source.zero_point, "multiplier": multiplier, "shift": shift, "low": low, "high": high}
        return Record("convert", fields | {"in_size": source.dtype.itemsize, "out_size": target.dtype.itemsize})
