"""MEAN over any axes: sums are rescaled once, 1/count in the multiplier (internal/reference/reduce.h, QuantizedMeanOrSum)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.sum import Sum


@dataclass(frozen=True, eq=False)
class Mean(Sum):
    """The mean of the elements along some axes."""

    kind = "MEAN"

    @property
    def rescaling(self) -> tuple[int, int]:
        """Divides the multiplier by the count after shifting it left as far as the count's bits and the final shift allow."""
        multiplier, shift = super().rescaling
        left = min(self.count.bit_length() - 1, 32, 31 + shift)
        return (multiplier << left) // self.count, shift - left
