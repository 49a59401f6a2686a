"""DEPTHWISE_CONV_2D with any depth multiplier (tensorflow/lite/kernels/internal/reference/integer_ops/depthwise_conv.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, Record, activation_is_clamp, has_batch_one, has_one_output, is_int8
from tflm_mcunet.operators.convolution import (
    BLOCK,
    Convolution,
    bias_is_int32,
    blocks,
    inputs_are_weights_and_bias,
    output_matches_window,
    rescaling_is_representable,
    scales_run_along_outputs,
    strides_are_positive,
    sums_fit_32_bits,
    weights_are_constant,
    weights_are_int8,
    window_fits_16_bits,
)

ROWS, TAPS = 16, 1 << 16
"""Windows have at most so many rows, and fewer taps than this, as ops/portable/mcu_depthwise_conv2d.h needs."""


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
        sums_fit_32_bits,
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

    @property
    def interior(self) -> tuple[int, int]:
        """The first output column whose window lies inside the image from left to right, and how many there are."""
        axis = self.axes[1]
        first = min(-(-max(axis.before, 0) // axis.stride), axis.output)
        end = min((axis.input - axis.reach + axis.before) // axis.stride + 1, axis.output)
        return first, max(end - first, 0)

    @property
    def macs_of_fours(self) -> int:
        """The part of macs_executed for which four columns share the loads of weights."""
        return self.axes[0].inside * self.window[1] * (self.interior[1] & ~3) * self.output.nhwc[3]

    @property
    def weight_bytes_fetched(self) -> int:
        if self.grouped:
            return self.output.nhwc[1] * self.output.nhwc[2] * self.weights.size
        return self.macs_executed - self.macs_of_fours * 3 // 4

    @property
    def grouped(self) -> bool:
        """Whether the kernel of grouped convolutions takes it: windows are too large for its own, or channels too few."""
        height, width = self.window
        return self.depth_multiplier > 1 or self.input(0).nhwc[3] < BLOCK or height > ROWS or height * width >= TAPS

    @property
    def scratch(self) -> int:
        height, width = self.window
        return height * width if self.grouped else 0

    def record(self) -> Record:
        weights = np.ascontiguousarray(self.weights.reshape(-1, self.output.nhwc[3]).T)
        geometry = {
            "input": self.input(0),
            "output": self.output,
            "in_c": self.input(0).nhwc[3],
            "in_zero": self.input(0).zero_point,
            **self.geometry,
        }
        if self.grouped:
            groups = {"out_c": self.output.nhwc[3], "group_in": 1, "group_out": self.depth_multiplier}
            return Record("conv2d", {**geometry, **groups, **self.channel_fields(weights, self.input(0).nhwc[3])})
        bound = np.abs(self.bias.astype(np.int64)) + 255 * np.abs(weights.astype(np.int64)).sum(axis=1)
        outputs = {f"outputs.{key}": value for key, value in self.output_fields(self.bias, bound).items()}
        interior, columns = self.interior
        return Record(
            "depthwise_conv2d",
            {**geometry, "interior": interior, "columns": columns, "weights": blocks(_last_four_whole(weights), 1), **outputs},
        )


def _last_four_whole(weights: Array) -> Array:
    """Weights [channels, taps] with those of some channels again, so that the last block of four is that of the last four."""
    whole = len(weights) // BLOCK * BLOCK
    return weights if whole == len(weights) else np.concatenate([weights[:whole], weights[-BLOCK:]])
