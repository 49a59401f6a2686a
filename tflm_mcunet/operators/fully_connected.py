"""FULLY_CONNECTED, with and without bias, per tensor or per channel (reference/integer_ops/fully_connected.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from patch_scheduler.geometry import Ranges, whole
from tflm_mcunet.operators.base import Options, Record, activation_is_clamp, has_one_output, is_int8
from tflm_mcunet.operators.convolution import (
    Convolution,
    bias_is_int32,
    inputs_are_weights_and_bias,
    rescaling_is_representable,
    sums_fit_32_bits,
    weights_are_int8,
)


def weights_fit_input(op: FullyConnected) -> str | None:
    """Weights are [outputs, depth]; input and output hold depth and outputs values per row."""
    weights, source, target = op.input(1), op.input(0), op.output
    if len(weights.shape) != 2 or min(weights.shape) < 1 or not target.shape or target.shape[-1] != weights.shape[0]:
        return f"tensors {source}, {weights}, {target}"
    if source.elements * weights.shape[0] != target.elements * weights.shape[1]:
        return f"tensors {source}, {weights}, {target}"
    return None


def weights_are_row_major(op: FullyConnected) -> str | None:
    """Weights are in the default format and per-channel scales run along axis 0."""
    quantization = op.input(1).quantization
    if op.format != "DEFAULT":
        return f"format {op.format}"
    if quantization is not None and not quantization.per_tensor and quantization.axis != 0:
        return f"axis {quantization.axis}"
    return None


def scales_agree(op: FullyConnected) -> str | None:
    """Under one scale of the weights, which is not negative, the bias has the scale of input times weights."""
    quantization = op.input(1).quantization
    if quantization is None or not quantization.per_tensor:
        return None
    product = op.input(0).scale * quantization.scale[0]
    bias = 0.0 if op.bias_tensor is None or op.bias_tensor.quantization is None else op.bias_tensor.scale
    if product < 0 or (op.bias_tensor is not None and abs(product - bias) / op.output.scale > 0.02):
        return f"{op.input(0).scale} * {quantization.scale[0]} and {bias}"
    return None


@dataclass(frozen=True, eq=False)
class FullyConnected(Convolution):
    """A matrix product of each row of `depth` inputs with the weights."""

    kind = "FULLY_CONNECTED"
    constraints = (
        has_one_output,
        inputs_are_weights_and_bias,
        is_int8,
        weights_fit_input,
        weights_are_int8,
        sums_fit_32_bits,
        weights_are_row_major,
        bias_is_int32,
        scales_agree,
        activation_is_clamp,
        rescaling_is_representable,
    )

    format: str = field(default="DEFAULT", kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"activation": options["FusedActivationFunction"], "format": options["WeightsFormat"]}

    @property
    def batches(self) -> int:
        return self.output.elements // self.output.shape[-1]

    @property
    def weight_bytes_fetched(self) -> int:
        """Two batches share a pass over the weights."""
        return -(-self.batches // 2) * self.weights.size

    @property
    def steps(self) -> int:
        return 1

    def reads(self, position: int) -> Ranges:
        return whole(1, self.input(position).rows)

    def writes(self, position: int) -> Ranges:
        return whole(1, self.output.rows)

    @property
    def row_pointers(self) -> bool:
        return False

    def describe(self) -> str:
        return "" if self.activation == "NONE" else self.activation

    def record(self) -> Record:
        return Record(
            "fully_connected",
            {
                "input": self.input(0),
                "output": self.output,
                **self.channel_fields(self.weights),
                "batches": self.batches,
                "out_c": self.weights.shape[0],
            },
        )
