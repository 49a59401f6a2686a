"""Kernels for the DSP extension of Armv7E-M and Armv8-M (Cortex-M4, M7, M33)."""

from __future__ import annotations

from collections.abc import Callable

from tflm_mcunet.kernels.dsp.add import add
from tflm_mcunet.kernels.dsp.conv_2d import CONV_2D
from tflm_mcunet.kernels.dsp.depthwise_conv_2d import DEPTHWISE_CONV_2D
from tflm_mcunet.kernels.dsp.fully_connected import fully_connected
from tflm_mcunet.kernels.dsp.simple import simple
from tflm_mcunet.operators.base import Operator

VARIANTS: list[Callable[[Operator], Operator | None]] = [add, *CONV_2D, *DEPTHWISE_CONV_2D, fully_connected, simple]
"""Functions operator -> variant or None, the fastest first."""
