"""Operators whose Helium kernels take the portable record: ADD, SUB, tables, sums over channels, MAX_POOL_2D (ops/mve)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tflm_mcunet.operators.add import Add
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.pooling import Pool2D
from tflm_mcunet.operators.reduction import Reduction
from tflm_mcunet.operators.unary import Unary

FUNCTIONS = {
    "mcu_add_linear": "mcu_add_linear_mve.h",
    "mcu_lookup": "mcu_lookup_mve.h",
    "mcu_reduce_sum": "mcu_reduce_mve.h",
    "mcu_reduce_average": "mcu_reduce_mve.h",
    "mcu_max_pool_2d": "mcu_pool_2d_mve.h",
}
"""The portable functions that have a twin with the suffix `_mve` and the same record, and its header."""


@cache
def _vectorised(kind: type[Operator]) -> type[Operator]:
    """A subclass of an operator's class whose record calls the vector function."""

    def record(self: Operator) -> Record:
        portable = kind.record(self)
        function = _function(portable)
        return replace(portable, function=f"{function}_mve", header=FUNCTIONS[function])

    members = {"__doc__": f"{kind.__name__} in Helium's kernel.", "__module__": __name__, "internal": True, "record": record}
    return type(f"{kind.__name__}Mve", (kind,), members)


def _function(record: Record) -> str:
    return record.function or f"mcu_{record.kernel}"


def simple(op: Operator) -> Operator | None:
    """The operator with its vector function, where the portable one has such a twin."""
    if not isinstance(op, (Add, Pool2D, Reduction, Unary)) or _function(op.record()) not in FUNCTIONS:
        return None
    return _vectorised(type(op)).like(op)  # type: ignore[arg-type]
