"""The scheduler's view of a network: tensors are rows of bytes, operators are steps that read and write row ranges.

Nothing here knows TFLite: a geometry can be built from a .tflite graph, a Keras model or a candidate
architecture that exists only as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Ranges:
    """One half-open row range [low[s], high[s]) per step s; both never decrease where ranges are not empty."""

    low: Int
    high: Int

    def __post_init__(self) -> None:
        if self.low.shape != self.high.shape or self.low.ndim != 1:
            raise ValueError("low and high must be vectors of one length")
        if (self.low > self.high).any():
            raise ValueError("a range ends before it begins")

    def __len__(self) -> int:
        return len(self.low)

    def scaled(self, factor: int) -> Ranges:
        """The same ranges counted in rows that are `factor` times smaller."""
        return Ranges(self.low * factor, self.high * factor)


def each(rows: int) -> Ranges:
    """Step s touches row s alone."""
    index = np.arange(rows, dtype=np.int64)
    return Ranges(index, index + 1)


def whole(steps: int, rows: int) -> Ranges:
    """Every step touches all rows."""
    return Ranges(np.zeros(steps, np.int64), np.full(steps, rows, np.int64))


def last(steps: int, rows: int) -> Ranges:
    """Nothing until the last step, which touches all rows (an accumulated reduction's output)."""
    low = np.zeros(steps, np.int64)
    high = np.zeros(steps, np.int64)
    high[-1] = rows
    return Ranges(low, high)


def window(steps: int, rows: int, size: int, stride: int, dilation: int, before: int) -> Ranges:
    """Step s touches the `size` rows from s * stride - before on, `dilation` apart, as far as they lie in [0, rows)."""
    first = np.arange(steps, dtype=np.int64) * stride - before
    low = np.clip(first, 0, rows)
    high = np.clip(first + (size - 1) * dilation + 1, low, rows)
    return Ranges(low, high)


@dataclass(frozen=True)
class Tensor:
    """`rows` rows of `row_bytes` bytes each, at a multiple of `alignment`: all of them, or each where rows lie apart."""

    name: str
    rows: int
    row_bytes: int
    alignment: int = 1

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.row_bytes


@dataclass(frozen=True)
class Access:
    """How an operator touches one tensor: `ranges[s]` are the rows that step s reads (or writes).

    `in_place` (reads only): the operator handles elements in ascending order, row by row, and reads input element i no
    later than it writes output element i, none of which is larger, so that output elements may lie at or below the same
    elements of this input. It counts where the operator has one output and reads the tensor in no other way.
    `lag` (reads only): output row r may lie exactly over row r - lag of this input, of the same size, which later steps do not
    read; not some bytes off, since channels may come one after the other. It counts for operators of one output.
    `dense`: the operator reaches several rows from one pointer, so that the tensor must lie in one piece.
    """

    tensor: int
    ranges: Ranges
    in_place: bool = False
    dense: bool = False
    lag: int | None = None


@dataclass(frozen=True)
class Operator:
    """Work in `steps` steps. `scratch` bytes (+ `scratch_per_step` for each step of a block) live during its events;
    `state` bytes live from its first event to its last. `macs` is the total. `reversible`: steps may run last to first."""

    name: str
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    steps: int
    scratch: int = 0
    scratch_per_step: int = 0
    state: int = 0
    macs: int = 0
    weight_bytes: int = 0
    reversible: bool = True


@dataclass(frozen=True)
class Network:
    """Operators in execution order over tensors; `inputs` are full before the first event, `outputs` stay after the last."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
