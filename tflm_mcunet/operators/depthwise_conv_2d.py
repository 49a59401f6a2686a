"""DEPTHWISE_CONV_2D with any depth multiplier (tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.operators.base import Options, Record, activation_is_clamp, has_batch_one, has_one_output, is_int8
from tflm_mcunet.operators.convolution import (
    Convolution,
    bias_is_int32,
    inputs_are_weights_and_bias,
    output_matches_window,
    rescaling_is_representable,
    scales_run_along_outputs,
    strides_are_positive,
    weights_are_constant,
    weights_are_int8,
    window_fits_16_bits,
)


def weights_fit_multiplier(op: DepthwiseConv2D) -> str | None:
    """Weights are [1, height, width, inputs * depth multiplier]."""
    weights, source, target = op.input(1), op.input(0), op.output
    if len(weights.shape) != 4 or min(weights.shape) < 1 or len(source.shape) != 4 or len(target.shape) != 4:
        return f"tensors {source}, {weights}, {target}"
    if weights.shape[0] != 1 or weights.shape[3] != target.nhwc[3] or source.nhwc[3] * op.depth_multiplier != target.nhwc[3]:
        return f"weights {weights.shape}, {source.nhwc[3]} inputs, multiplier {op.depth_multiplier}"
    return None


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Convolution):
    """A convolution in which output channel c sees input channel c // depth_multiplier alone."""

    kind = "DEPTHWISE_CONV_2D"
    constraints = (
        has_one_output,
        inputs_are_weights_and_bias,
        weights_are_constant,
        is_int8,
        has_batch_one,
        weights_fit_multiplier,
        weights_are_int8,
        scales_run_along_outputs,
        bias_is_int32,
        strides_are_positive,
        window_fits_16_bits,
        output_matches_window,
        activation_is_clamp,
        rescaling_is_representable,
    )

    depth_multiplier: int = field(default=1, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return super().attributes(options) | {"depth_multiplier": options["DepthMultiplier"]}

    @property
    def macs_executed(self) -> int:
        """Taps outside the image are skipped."""
        vertical, horizontal = self.axes
        return vertical.inside * horizontal.inside * self.output.nhwc[3]

    def describe(self) -> str:
        return super().describe() + (f" multiplier {self.depth_multiplier}" if self.depth_multiplier != 1 else "")

    def record(self) -> Record:
        return Record(
            "depthwise_conv2d",
            {
                "input": self.input(0),
                "output": self.output,
                "weights": self.weights,
                "bias": self.bias,
                "in_c": self.input(0).nhwc[3],
                "depth_multiplier": self.depth_multiplier,
                "in_zero": self.input(0).zero_point,
                **self.geometry,
                **self.requantization,
            },
        )
