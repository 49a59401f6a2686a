"""Flash that an operator takes, without writing the C."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Operator, Record


def constant_bytes(op: Operator) -> int:
    """Bytes of the constant arrays that the generated C has for an operator."""
    return sum(array.nbytes for array in _arrays(op.record().fields.values()))


def _arrays(values: Iterable[Any]) -> Iterator[Array]:
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, Record):
            yield from _arrays(value.fields.values())
        elif isinstance(value, tuple):
            yield from _arrays(value)
