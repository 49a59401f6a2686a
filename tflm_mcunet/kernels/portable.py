"""CONV_2D in plain C with scratch for two windows, which share the loads of weights (ops/portable/mcu_conv2d.h)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.conv_2d import Conv2D


@dataclass(frozen=True, eq=False)
class Conv2DPairs(Conv2D):
    """A convolution of one group whose windows are gathered two by two."""

    internal = True

    @property
    def pixels(self) -> int:
        return 2

    @property
    def scratch(self) -> int:
        return 2 * super().scratch

    def record(self) -> Record:
        return replace(super().record(), function="mcu_conv2d_pairs")


def conv_2d(op: Operator) -> Operator | None:
    """The convolution in this kernel, where it gathers windows of all channels."""
    if type(op) is not Conv2D or op.pointwise or op.groups > 1:
        return None
    return Conv2DPairs.like(op)


VARIANTS: list[Callable[[Operator], Operator | None]] = [conv_2d]
"""Functions operator -> variant or None; every core runs them."""
