"""Operators whose DSP kernels take the portable record: sums over channels and MAX_POOL_2D (ops/dsp)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.pooling import Pool2D
from tflm_mcunet.operators.reduction import Reduction

FUNCTIONS = {
    "mcu_reduce_sum": "mcu_reduce_dsp.h",
    "mcu_reduce_average": "mcu_reduce_dsp.h",
    "mcu_max_pool_2d": "mcu_pool_2d_dsp.h",
}
"""The portable functions that have a twin with the suffix `_dsp` and the same record, and its header."""


@cache
def _faster(kind: type[Operator]) -> type[Operator]:
    """A subclass of an operator's class whose record calls the DSP function."""

    def record(self: Operator) -> Record:
        portable = kind.record(self)
        function = _function(portable)
        return replace(portable, function=f"{function}_dsp", header=FUNCTIONS[function])

    members = {"__doc__": f"{kind.__name__} in its DSP kernel.", "__module__": __name__, "internal": True, "record": record}
    return type(f"{kind.__name__}Dsp", (kind,), members)


def _function(record: Record) -> str:
    return record.function or f"mcu_{record.kernel}"


def simple(op: Operator) -> Operator | None:
    """The operator with its DSP function, where the portable one has such a twin."""
    if op.internal or not isinstance(op, (Pool2D, Reduction)) or _function(op.record()) not in FUNCTIONS:
        return None
    return _faster(type(op)).like(op)  # type: ignore[arg-type]
