"""FULLY_CONNECTED as a product of batches and channels (ops/mve/mcu_fully_connected_mve.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.mve import matrix
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.fully_connected import FullyConnected


@dataclass(frozen=True, eq=False)
class FullyConnectedMve(FullyConnected):
    """A matrix product of four channels at a time."""

    internal = True

    @cached_property
    def channels(self) -> matrix.Channels | None:
        return matrix.channels(self, self.weights)

    @cached_property
    def stream(self) -> Array:
        assert self.channels is not None
        return matrix.stream(self.channels)

    @property
    def weight_bytes_fetched(self) -> int:
        return (self.batches // 4 + self.batches % 4) * self.stream.nbytes

    def record(self) -> Record:
        low, high = self.limits
        return Record(
            "fully_connected_mve",
            {
                "input": self.input(0),
                "output": self.output,
                "weights": self.stream,
                "batches": self.batches,
                "in_c": self.weights.shape[1],
                "out_c": self.weights.shape[0],
                "out_zero": self.output.zero_point,
                "out_min": low,
                "out_max": high,
            },
            function=f"mcu_fully_connected_mve_{matrix.flavour(self)}",
        )


def fully_connected(op: Operator) -> Operator | None:
    """The operator in this kernel, where its arithmetic is proven exact."""
    if type(op) is not FullyConnected:
        return None
    variant = FullyConnectedMve.like(op)
    return None if variant.channels is None else variant
