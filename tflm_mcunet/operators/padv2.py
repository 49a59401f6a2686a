"""PADV2: PAD whose third input is the value to pad with (kernels/pad.cc)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.pad import Pad


@dataclass(frozen=True, eq=False)
class PadV2(Pad):
    """TFLM runs the same kernel for both: either may have, or lack, the value."""

    kind = "PADV2"
