"""CONV_2D: any kernel, stride, dilation, padding and grouping (tensorflow/lite/kernels/internal/reference/integer_ops/conv.h)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.base import Record, activation_is_clamp, has_batch_one, has_one_output, is_int8
from tflm_mcunet.operators.convolution import (
    Convolution,
    bias_is_int32,
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


def weights_fit_groups(op: Conv2D) -> str | None:
    """Weights are [outputs, height, width, inputs / groups] and the groups divide the outputs."""
    weights, channels = op.input(1), op.input(0).nhwc[3]
    shape = weights.shape
    if len(shape) != 4 or min(shape) < 1 or len(op.input(0).shape) != 4 or len(op.output.shape) != 4:
        return f"tensors {op.input(0)}, {weights}, {op.output}"
    if channels % shape[3] or op.output.nhwc[3] != shape[0] or shape[0] % (channels // shape[3]):
        return f"weights {shape} for {channels} input and {op.output.nhwc[3]} output channels"
    return None


@dataclass(frozen=True, eq=False)
class Conv2D(Convolution):
    """A two-dimensional convolution, grouped where the weights have fewer inputs than the image has channels."""

    kind = "CONV_2D"
    constraints = (
        has_one_output,
        inputs_are_weights_and_bias,
        weights_are_constant,
        is_int8,
        has_batch_one,
        weights_fit_groups,
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

    @property
    def groups(self) -> int:
        return self.input(0).nhwc[3] // self.input(1).shape[3]

    @property
    def pointwise(self) -> bool:
        """Whether the kernel can read pixels where they lie, without gathering a window."""
        vertical, horizontal = self.axes
        unpadded = vertical.before == horizontal.before == 0 and self.extra == ((0, 0), (0, 0))
        return self.window == (1, 1) and self.groups == 1 and unpadded

    @property
    def pixels(self) -> int:
        """Pixels of a row that the kernel computes in one pass over the weights."""
        return 2 if self.pointwise else 1

    @property
    def weight_bytes_fetched(self) -> int:
        _, height, width, _ = self.output.nhwc
        return height * -(-width // self.pixels) * self.weights.size

    @property
    def scratch(self) -> int:
        return 0 if self.pointwise else self.weights[0].size

    def record(self) -> Record:
        return Record(
            "conv2d",
            {
                "input": self.input(0),
                "output": self.output,
                **self.channel_fields(self.weights.reshape(self.weights.shape[0], -1), self.groups),
                "in_c": self.input(0).nhwc[3],
                "out_c": self.output.nhwc[3],
                "group_in": self.weights.shape[3],
                "group_out": self.output.nhwc[3] // self.groups,
                "in_zero": self.input(0).zero_point,
                **self.geometry,
            },
            function="mcu_conv2d_pointwise" if self.pointwise else "mcu_conv2d",
        )
