"""What CONV_2D, DEPTHWISE_CONV_2D and their kin share: windows, constraints and per-channel rescaling."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from patch_scheduler.geometry import Ranges
from tflm_mcunet.errors import Error
from tflm_mcunet.fixed_point import quantize_multipliers
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Clamped, Options
from tflm_mcunet.operators.window import Axis, outputs_along, padded_axis

BLOCK = 4
"""Channels that ops/portable/mcu_channels.h computes together."""
ANY_SHIFT, MOST_SHIFT = 64, 22
"""Which shifts the fast requantisation of ops/portable/mcu_outputs.h takes, and what marks others."""


def inputs_are_weights_and_bias(op: Convolution) -> str | None:
    """The inputs are data, weights and perhaps a bias."""
    return None if len(op.inputs) in (2, 3) else f"{len(op.inputs)} inputs"


def strides_are_positive(op: Windowed) -> str | None:
    """Strides and dilations are at least 1."""
    values = (*op.stride, *op.dilation)
    return None if min(values) >= 1 else f"strides {op.stride}, dilations {op.dilation}"


def window_fits_16_bits(op: Windowed) -> str | None:
    """Windows with their dilation, dilations, strides and images measure from 1 to 32,767 along each axis."""
    reach = ((size - 1) * dilation + 1 for size, dilation in zip(op.window, op.dilation, strict=True))
    shapes = (extent for tensor in (*op.present_inputs, op.output) for extent in tensor.shape)
    wrong = [size for size in (*op.stride, *op.dilation, *reach, *shapes) if not 1 <= size < 1 << 15]
    return f"{wrong[0]}" if wrong else None


def output_matches_window(op: Windowed) -> str | None:
    """The output's height and width follow from input, window, stride and padding."""
    for source, target, size, stride, dilation in zip(
        op.padded_input, op.output.nhwc[1:3], op.window, op.stride, op.dilation, strict=True
    ):
        expected = outputs_along(op.padding, source, size, stride, dilation)
        if expected != target or expected < 1:
            return f"{target} where {expected} is expected"
    return None


def weights_are_constant(op: Convolution) -> str | None:
    """Weights and bias are constants."""
    found = [t for t in op.inputs[1:3] if t is not None and not t.constant]
    return f"tensor {found[0]}" if found else None


def weights_are_int8(op: Convolution) -> str | None:
    """Weights are an int8 constant with one symmetric scale, or one per output channel."""
    weights = op.input(1)
    if weights.dtype != np.int8 or not weights.constant:
        return f"tensor {weights}" + ("" if weights.constant else ", not constant")
    if weights.quantization is None:
        return f"tensor {weights} without quantisation"
    if len(weights.quantization.scale) not in (1, op.output.shape[-1]):
        return f"{len(weights.quantization.scale)} scales for {op.output.shape[-1]} channels"
    if any(weights.quantization.zero_point):
        return f"zero points {weights.quantization.zero_point[:4]}"
    return None


def scales_run_along_outputs(op: Convolution) -> str | None:
    """Scales per channel run along a dimension of the weights that is as long as there are output channels."""
    weights = op.input(1)
    if weights.quantization is None or weights.quantization.per_tensor:
        return None
    axis = weights.quantization.axis
    return None if 0 <= axis < len(weights.shape) and weights.shape[axis] == op.output.shape[-1] else f"axis {axis}"


def rescaling_is_representable(op: Convolution) -> str | None:
    """Scales and activation give multipliers and bounds that fit 32-bit fixed point."""
    try:
        _ = op.requantization
    except Error as error:
        return str(error)
    return None


def bias_is_int32(op: Convolution) -> str | None:
    """The bias, where there is one, is an int32 constant with one value per output channel."""
    bias = op.bias_tensor
    if bias is None or (bias.dtype == np.int32 and bias.constant and bias.elements == op.output.shape[-1]):
        return None
    return f"tensor {bias}"


def sums_fit_32_bits(op: Convolution) -> str | None:
    """An output sums fewer than 131,072 products."""
    taps = op.weights.size // op.output.shape[-1]
    return f"{taps}" if taps >= 1 << 17 else None


@dataclass(frozen=True, eq=False)
class Windowed(Clamped):
    """An operator that slides a window over an NHWC image; `extra` is padding folded in from a PAD before it.

    `placed`, where a pass has set it, says where the windows lie instead of padding and shapes: those of a patch.
    """

    padding: str = field(default="VALID", kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    extra: tuple[tuple[int, int], tuple[int, int]] = field(default=((0, 0), (0, 0)), kw_only=True)
    placed: tuple[Axis, Axis] | None = field(default=None, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {
            "padding": options["Padding"],
            "stride": (options["StrideH"], options["StrideW"]),
            "activation": options["FusedActivationFunction"],
        }

    @property
    def window(self) -> tuple[int, int]:
        """Window height and width."""
        raise NotImplementedError

    @property
    def padded_input(self) -> tuple[int, int]:
        """Height and width of the input with the padding folded in."""
        (top, bottom), (left, right) = self.extra
        _, height, width, _ = self.input(0).nhwc
        return height + top + bottom, width + left + right

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """The window along height and width, over the input without the padding folded in."""
        if self.placed is not None:
            return self.placed
        vertical, horizontal = (
            padded_axis(self.padding, source, target, size, stride, dilation).padded(*extra)
            for source, target, size, stride, dilation, extra in zip(
                self.padded_input, self.output.nhwc[1:3], self.window, self.stride, self.dilation, self.extra, strict=True
            )
        )
        return vertical, horizontal

    def reads(self, position: int) -> Ranges:
        return self.axes[0].rows()

    @property
    def row_pointers(self) -> bool:
        return True

    @property
    def geometry(self) -> dict[str, Any]:
        """The window as the fields of a C record."""
        vertical, horizontal = self.axes
        return {
            "in_h": vertical.input,
            "in_w": horizontal.input,
            "out_w": horizontal.output,
            "kernel_h": vertical.size,
            "kernel_w": horizontal.size,
            "stride_h": vertical.stride,
            "stride_w": horizontal.stride,
            "dilation_h": vertical.dilation,
            "dilation_w": horizontal.dilation,
            "pad_h": vertical.before,
            "pad_w": horizontal.before,
        }

    def describe(self) -> str:
        text = "x".join(map(str, self.window))
        if self.stride != (1, 1):
            text += " stride " + "x".join(map(str, self.stride))
        if self.dilation != (1, 1):
            text += " dilation " + "x".join(map(str, self.dilation))
        return text + ("" if self.activation == "NONE" else f" {self.activation}")


@dataclass(frozen=True, eq=False)
class Convolution(Windowed):
    """A windowed operator with int8 weights and int32 bias, requantised per output channel."""

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return super().attributes(options) | {"dilation": (options["DilationHFactor"], options["DilationWFactor"])}

    @property
    def weights(self) -> Array:
        return self.constant(1)

    @property
    def bias_tensor(self) -> Tensor | None:
        return self.inputs[2] if len(self.inputs) > 2 else None

    @property
    def bias(self) -> Array:
        """int32 [output channels]; zeros where the model has none."""
        channels = self.output.shape[-1]
        return np.zeros(channels, np.int32) if self.bias_tensor is None else self.constant(2).reshape(channels)

    @property
    def window(self) -> tuple[int, int]:
        _, height, width, _ = self.input(1).shape
        return height, width

    @property
    def channel_scales(self) -> list[float]:
        """Effective scale per output channel: input * weights / output, in double precision as TFLM has it."""
        source, weights, target = self.input(0), self.input(1), self.output
        assert weights.quantization is not None
        scales = weights.quantization.scale
        if len(scales) == 1:
            scales = scales * target.shape[-1]
        return [source.scale * scale / target.scale for scale in scales]

    @property
    def requantization(self) -> dict[str, Any]:
        """Multiplier and shift per output channel, zero point and clamp, as the fields of a C record."""
        multiplier, shift = quantize_multipliers(self.channel_scales)
        low, high = self.limits
        return {
            "multiplier": multiplier,
            "shift": shift,
            "out_zero": self.output.zero_point,
            "out_min": low,
            "out_max": high,
        }

    def output_fields(self, bias: Array, bound: Array) -> dict[str, Any]:
        """The fields of `struct mcu_outputs` for accumulators of no larger magnitude than `bound`, per channel."""
        found = self.requantization
        multiplier, shift = found["multiplier"], found["shift"]
        right = (bound < 1 << 30) & (multiplier >= 0) & (shift <= 0) & (shift >= -MOST_SHIFT)
        return {
            "bias": bias,
            "multiplier": multiplier,
            "shift": np.where(right, -shift, shift - ANY_SHIFT).astype(np.int8),
            "zero": found["out_zero"],
            "least": found["out_min"],
            "most": found["out_max"],
        }

    def channel_fields(self, weights: Array, groups: int = 1) -> dict[str, Any]:
        """The fields of `struct mcu_channels` for weights [channels, taps], as a C designator names them."""
        bias = folded_bias(self.bias, weights, self.input(0).zero_point)
        bound = np.abs(bias.astype(np.int64)) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
        outputs = {f"channels.outputs.{key}": value for key, value in self.output_fields(bias, bound).items()}
        return {"channels.weights": blocks(weights, groups), "channels.taps": weights.shape[1], **outputs}

    @property
    def macs(self) -> int:
        return self.output.elements * self.weights.size // self.output.shape[-1]

    @property
    def weight_bytes_fetched(self) -> int:
        """The portable kernels read one weight per multiplication."""
        return self.macs_executed


def blocks(weights: Array, groups: int) -> Array:
    """Weights [channels, taps] as blocks of four channels, [block, tap, channel]; zeros fill the last block of each group."""
    channels, taps = weights.shape
    grouped = weights.reshape(groups, channels // groups, taps)
    filled = np.pad(grouped, ((0, 0), (0, -(channels // groups) % BLOCK), (0, 0)))
    return np.ascontiguousarray(filled.reshape(-1, BLOCK, taps).transpose(0, 2, 1))


def folded_bias(bias: Array, weights: Array, zero_point: int) -> Array:
    """The bias with the input's zero point multiplied in: acc = folded + sum(w * q) equals bias + sum(w * (q - zero)).

    `weights` is [channels, taps]; the sum wraps to int32 as the accumulators of TFLM do.
    """
    total = bias.astype(np.int64) - zero_point * weights.astype(np.int64).sum(axis=1)
    return total.astype(np.int32)
