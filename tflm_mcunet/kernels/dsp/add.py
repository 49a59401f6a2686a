"""ADD and SUB as a linear form with two multiplications per operand pair (ops/dsp/mcu_add_dsp.h)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.broadcast import Values
from tflm_mcunet.operators.sub import Sub

SHIFT = 20
"""The right shift that ends the form."""
STEPS = (1, 16, 128, 1024)
"""Distances between the factors that are tried: ties away from zero want both factors a little larger."""
SIDE = 20
"""Steps to either side."""
NEAR = 64
"""Pairs of values whose outputs change with less than this much more or less in the form decide which factors are worth a try."""


class Form(NamedTuple):
    """clamp((floor(a_factor * 256 * a / 2^16) + floor(b_factor * 256 * b / 2^16) + offset) / 2^SHIFT, rounded down)."""

    a_factor: int
    b_factor: int
    offset: int


@dataclass(frozen=True, eq=False)
class LinearDsp(Add):
    """An addition or subtraction whose form gives all 65,536 outputs."""

    @cached_property
    def form(self) -> Form | None:
        """The first form found that is exact for all pairs of values, or None."""
        ratios = self.input(0).scale / self.output.scale, self.sign * self.input(1).scale / self.output.scale
        if self.limits != (-128, 127) or sum(map(abs, ratios)) > 6:
            return None
        values = np.arange(-128, 128, dtype=np.int64)
        expected = self.compute(values[:, None], values[None, :])
        least = np.where(expected > -128, expected << SHIFT, -(1 << 40))
        most = np.where(expected < 127, (expected + 1 << SHIFT) - 1, 1 << 40)
        centre = np.array([round(ratio * 2 ** (SHIFT + 8)) for ratio in ratios])

        def offset(factors: Values) -> int | None:
            sums = _product(factors[0], values)[:, None] + _product(factors[1], values)[None, :]
            low, high = int((least - sums).max()), int((most - sums).min())
            if low > high:
                return None
            middle = (low + high) // 2
            return middle if max(abs(middle), np.abs(sums + middle).max()) < 1 << 31 else None

        found = offset(centre)
        if found is not None:
            return Form(int(centre[0]), int(centre[1]), found)
        sums = _product(centre[0], values)[:, None] + _product(centre[1], values)[None, :]
        low, high = least - sums, most - sums
        a, b = np.nonzero((low > low.max() - NEAR) | (high < high.min() + NEAR))
        for step in STEPS:
            changes = np.arange(-SIDE, SIDE + 1) * step
            right = _product((centre[1] + changes)[:, None], values[b])
            for change in sorted(changes.tolist(), key=abs):
                some = _product(centre[0] + change, values[a]) + right
                for at in np.flatnonzero((least[a, b] - some).max(axis=1) <= (most[a, b] - some).min(axis=1)):
                    factors = centre + np.array([change, changes[at]])
                    found = offset(factors)
                    if found is not None:
                        return Form(int(factors[0]), int(factors[1]), found)
        return None

    def record(self) -> Record:
        assert self.form is not None
        return Record("add_dsp", self.operands | self.form._asdict())


def _product(factor: Values, value: Values) -> Values:
    return factor * (value * 256) >> 16


@dataclass(frozen=True, eq=False)
class AddDsp(LinearDsp):
    """a + b."""

    internal = True


@dataclass(frozen=True, eq=False)
class SubDsp(LinearDsp):
    """a - b."""

    kind = Sub.kind
    sign = Sub.sign
    internal = True


VARIANTS: dict[type[Operator], type[LinearDsp]] = {Add: AddDsp, Sub: SubDsp}


def add(op: Operator) -> Operator | None:
    """The addition or subtraction as a linear form, where one is proven."""
    kind = VARIANTS.get(type(op))
    if kind is None:
        return None
    variant = kind.like(op)
    return variant if variant.form is not None else None
