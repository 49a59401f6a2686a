"""TRANSPOSE_CONV as a gather per output row (tensorflow/lite/kernels/internal/reference/integer_ops/transpose_conv.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from patch_scheduler.geometry import Ranges
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Options, Record, activation_is_clamp, has_one_output, int8_fault
from tflm_mcunet.operators.convolution import (
    Convolution,
    bias_is_int32,
    rescaling_is_representable,
    weights_are_int8,
    window_fits_16_bits,
)
from tflm_mcunet.operators.window import Axis, padded_axis


def output_shape_is_constant(op: TransposeConv) -> str | None:
    """The operator reads a constant output shape, weights, data and perhaps a bias."""
    if len(op.inputs) not in (3, 4):
        return f"{len(op.inputs)} inputs"
    return None if op.input(0).constant else f"tensor {op.input(0)}, not constant"


def data_is_int8(op: TransposeConv) -> str | None:
    """Data and output are int8 with one scale and zero point per tensor."""
    return int8_fault(op.source) or int8_fault(op.output)


def weights_fit_images(op: TransposeConv) -> str | None:
    """Data and output are single NHWC images; weights are [outputs, height, width, inputs]."""
    weights, source, target = op.input(1).shape, op.source.shape, op.output.shape
    if (
        len(weights) == len(source) == len(target) == 4
        and source[0] == target[0] == 1
        and (weights[0], weights[3]) == (target[3], source[3])
    ):
        return None
    return f"tensors {op.source}, {op.input(1)}, {op.output}"


def scales_run_along_outputs(op: TransposeConv) -> str | None:
    """Scales per channel run along axis 0 of the weights."""
    quantization = op.input(1).quantization
    return None if quantization is None or quantization.per_tensor or quantization.axis == 0 else f"axis {quantization.axis}"


@dataclass(frozen=True, eq=False)
class TransposeConv(Convolution):
    """Every input pixel spreads over a window of outputs; seen from an output pixel, only taps of its phase reach it.

    The output shape operand is not read: like TFLM, this takes the shape of the output tensor.
    """

    kind = "TRANSPOSE_CONV"
    constraints = (
        has_one_output,
        output_shape_is_constant,
        data_is_int8,
        weights_fit_images,
        weights_are_int8,
        scales_run_along_outputs,
        bias_is_int32,
        window_fits_16_bits,
        activation_is_clamp,
        rescaling_is_representable,
    )

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return super(Convolution, cls).attributes(options)

    @property
    def source(self) -> Tensor:
        """The image."""
        return self.input(2)

    @property
    def bias_tensor(self) -> Tensor | None:
        return self.inputs[3] if len(self.inputs) > 3 else None

    @property
    def bias(self) -> Array:
        channels = self.output.nhwc[3]
        return np.zeros(channels, np.int32) if self.bias_tensor is None else self.constant(3).reshape(channels)

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The window of the convolution that this one transposes: it runs over the output, and its results are the input."""
        vertical, horizontal = (
            padded_axis(self.padding, target, source, size, stride)
            for target, source, size, stride in zip(
                self.output.nhwc[1:3], self.source.nhwc[1:3], self.window, self.stride, strict=True
            )
        )
        return vertical, horizontal

    @property
    def channel_scales(self) -> list[float]:
        weights = self.input(1)
        assert weights.quantization is not None
        scales = weights.quantization.scale
        if len(scales) == 1:
            scales = scales * self.output.nhwc[3]
        return [self.source.scale * scale / self.output.scale for scale in scales]

    def reads(self, position: int) -> Ranges:
        """The input rows i with i * stride - before + tap = output row for a tap of the window."""
        axis = self.axes[0]
        place = np.arange(axis.input, dtype=np.int64) + axis.before
        low = np.clip(-((axis.size - 1 - place) // axis.stride), 0, axis.output)
        return Ranges(low, np.clip(place // axis.stride + 1, low, axis.output))

    @property
    def scratch(self) -> int:
        """The longest window of inputs, expanded to int16."""
        rows, columns = (-(-size // stride) for size, stride in zip(self.window, self.stride, strict=True))
        return 2 * rows * columns * self.source.nhwc[3]

    @property
    def macs(self) -> int:
        return self.source.elements * self.weights.size // self.source.nhwc[3]

    @property
    def macs_executed(self) -> int:
        """Every output pixel of a phase takes all taps of that phase, inside the image or not."""
        vertical, horizontal = self.axes
        return _gathered(vertical) * _gathered(horizontal) * self.source.nhwc[3] * self.output.nhwc[3]

    @property
    def packed(self) -> Array:
        """Weights in the order of use: by vertical phase, horizontal phase, output, vertical tap, horizontal tap, input."""
        _, height, width, _ = self.weights.shape
        stride_h, stride_w = self.stride
        return np.concatenate(
            [
                self.weights[:, y::stride_h, x::stride_w].reshape(-1)
                for y in range(min(stride_h, height))
                for x in range(min(stride_w, width))
            ]
        )

    def record(self) -> Record:
        vertical, horizontal = self.axes
        return Record(
            "transpose_conv",
            {
                "input": self.source,
                "output": self.output,
                "weights": self.packed,
                "bias": self.bias,
                "in_h": vertical.output,
                "in_w": horizontal.output,
                "in_c": self.source.nhwc[3],
                "out_w": horizontal.input,
                "out_c": self.output.nhwc[3],
                "kernel_h": vertical.size,
                "kernel_w": horizontal.size,
                "stride_h": vertical.stride,
                "stride_w": horizontal.stride,
                "pad_h": vertical.before,
                "pad_w": horizontal.before,
                "in_zero": self.source.zero_point,
                **self.requantization,
            },
        )


def _gathered(axis: Axis) -> int:
    """Taps that all output positions of an axis together gather."""
    phases = (np.arange(axis.input) + axis.before) % axis.stride
    return int((axis.size // axis.stride + (phases < axis.size % axis.stride)).sum())
