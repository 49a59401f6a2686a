"""FULLY_CONNECTED in blocks of four outputs (ops/dsp/mcu_fully_connected_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.kernels.dsp import packing
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.fully_connected import FullyConnected


@dataclass(frozen=True, eq=False)
class FullyConnectedDsp(FullyConnected):
    """A matrix product whose inputs are expanded once per batch."""

    internal = True

    @cached_property
    def taps(self) -> Array:
        """Weights [outputs, depth], the depth filled up to a multiple of eight with zeros."""
        return np.pad(self.weights, ((0, 0), (0, -self.weights.shape[1] % 8)))

    @cached_property
    def channels(self) -> list[packing.Channel]:
        return packing.channels(self, self.taps)

    @property
    def scratch(self) -> int:
        return 2 * self.taps.shape[1]

    @property
    def applicable(self) -> bool:
        return all(c.exact for c in self.channels) and all(c.high for c in self.channels[1::2])

    @property
    def weight_bytes_fetched(self) -> int:
        batches, outputs = self.output.elements // self.output.shape[-1], len(self.taps)
        return batches * -(-outputs // 4) * 4 * self.taps.shape[1]

    def record(self) -> Record:
        low, high = self.limits
        parameters = [packing.parameters(channel, self.output.zero_point) for channel in self.channels]
        uniform = all(entry == parameters[0] for entry in parameters)
        parameters += [[0, 0, 1]] * (-len(parameters) % 4)
        return Record(
            "fully_connected_dsp",
            {
                "input": self.input(0),
                "output": self.output,
                "stream": packing.fours(self.channels),
                "parameters": np.array(parameters[0] if uniform else parameters, np.int32),
                "batches": self.output.elements // self.output.shape[-1],
                "in_c": self.weights.shape[1],
                "out_c": self.weights.shape[0],
                "chunks": self.taps.shape[1] // 8,
                "uniform": uniform,
                "out_min": low,
                "out_max": high,
            },
        )


def fully_connected(op: Operator) -> Operator | None:
    """The operator in this kernel, where its arithmetic is proven exact."""
    if type(op) is not FullyConnected:
        return None
    variant = FullyConnectedDsp.like(op)
    return variant if variant.applicable else None
