"""The fitted coefficients as data, and their evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

from tflm_mcunet.cost.features import Features, features
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.targets import Target

ANY = "*"
"""The family for kernels that were never measured."""

FETCH = 5 / 16
"""What the scheduler pays for a weight byte that is fetched again: a line of 16 bytes of flash at 5 wait states. An assumption,
which no emulator shows."""

Coefficients = Mapping[str, Mapping[str, float]]


class Estimate(NamedTuple):
    """Executed instructions, and modelled Cortex-M4 cycles where the model has them."""

    instructions: float
    cycles: float | None


@dataclass(frozen=True)
class CostModel:
    """Coefficients by family and feature.

    Attributes:
        core: the emulated core whose profiles they were fitted to.
        error: cross-validated: the mean over networks of the relative error of their instructions, each estimated by a
            model that was fitted without that network.
        worst: the largest of these errors.
    """

    core: str
    instructions: Coefficients
    cycles: Coefficients | None
    error: float
    worst: float

    def estimate(self, op: Operator, block: int) -> Estimate:
        """One inference's work of `op` where its events are `block` steps each."""
        found = features(op, block)
        return Estimate(_sum(self.instructions, found), None if self.cycles is None else _sum(self.cycles, found))

    def total(self, operators: Iterable[Operator], blocks: Iterable[int]) -> int:
        """The instructions of all operators, each in events of so many steps."""
        return round(sum(self.estimate(op, block).instructions for op, block in zip(operators, blocks, strict=True)))


def _sum(coefficients: Coefficients, found: Features) -> float:
    family = coefficients.get(found.family, coefficients[ANY])
    return sum(family.get(name, 0.0) * value for name, value in found.values.items())


@cache
def _load(core: str) -> CostModel:
    data = json.loads(resources.files(__package__).joinpath(f"{core}.json").read_text())
    return CostModel(core, data["instructions"], data.get("cycles"), data["error"]["mean"], data["error"]["worst"])


def load(board: Target) -> CostModel:
    """The model of the core that runs the same kernels as the board's."""
    if "mve" in board.features:
        return _load("cortex-m55")
    if "dsp" in board.features:
        return _load("cortex-m7" if board.core == "cortex-m7" else "cortex-m4")
    return _load("cortex-m3")


def scheduler_cost(operators: Sequence[Operator], board: Target) -> Callable[[int, int, bool], float]:
    """(operator, steps per event, fused) -> estimated time, as patch_scheduler takes it: cycles where they are modelled."""
    model = load(board)

    @cache
    def cost(index: int, block: int) -> float:
        op = operators[index]
        estimate = model.estimate(op, block)
        again = -(-op.steps // block) - 1
        weights = sum(t.bytes for t in op.present_inputs if t.constant)
        return (estimate.instructions if estimate.cycles is None else estimate.cycles) + FETCH * again * weights

    return lambda index, block, fused: cost(index, block)
