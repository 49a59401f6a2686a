"""DEQUANTIZE: int8, uint8 or int16 to float (lite/micro/kernels/dequantize_common.cc)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Operator, Record, has_one_output
from tflm_mcunet.operators.quantize import quantization_fault
from tflm_mcunet.operators.unary import Elementwise, has_one_input, same_shape


def integer_becomes_float(op: Operator) -> str | None:
    """The input is int8, uint8 or int16 with one scale and zero point, the output float32."""
    source, target = op.input(0), op.output
    if source.dtype not in (np.int8, np.uint8, np.int16) or target.dtype != np.float32:
        return f"{source.dtype} to {target.dtype}"
    return quantization_fault(source)


@dataclass(frozen=True, eq=False)
class Dequantize(Elementwise):
    """scale * (q - zero point).

    TFLM multiplies in double precision and rounds to single; the product of a 17-bit integer and a single-precision scale
    is exact in double precision, so that one multiplication in single precision gives the same number.
    """

    kind = "DEQUANTIZE"
    constraints = (has_one_input, has_one_output, integer_becomes_float, same_shape)

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        source = self.input(0)
        assert constants[0] is not None
        return (((constants[0].astype(np.int64) - source.zero_point) * source.scale).astype(np.float32),)

    def describe(self) -> str:
        return f"{self.input(0).dtype} to float32"

    def record(self) -> Record:
        source = self.input(0)
        fields = {"input": source, "output": self.output, "scale": source.scale, "zero": source.zero_point, "width": self.width}
        return Record("dequantize", fields, function=f"mcu_dequantize_{source.dtype}")
