"""Kernels for the vector extension of Armv8.1-M, Helium (Cortex-M55, M85)."""

from __future__ import annotations

from collections.abc import Callable

from tflm_mcunet.kernels.mve.conv_2d import conv_2d
from tflm_mcunet.kernels.mve.depthwise_conv_2d import depthwise_conv_2d
from tflm_mcunet.kernels.mve.fully_connected import fully_connected
from tflm_mcunet.kernels.mve.simple import simple
from tflm_mcunet.operators.base import Operator

VARIANTS: list[Callable[[Operator], Operator | None]] = [conv_2d, depthwise_conv_2d, fully_connected, simple]
"""Functions operator -> variant or None, the fastest first."""
