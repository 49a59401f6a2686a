"""What PAD, CONCATENATION, SLICE, TRANSPOSE and their kin share: they move elements, which are stated as pairs of numpy views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Ranges, each, whole
from tflm_mcunet.graph import Array, Tensor
from tflm_mcunet.operators.base import Constraint, Operator, Record, Unsupported

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Move:
    """Each element of `target`, a view of output `output`, becomes that of `source`, a view of input `input`.

    Without an input, `source` is one value to fill with.
    """

    target: Array
    source: Array
    input: int | None = 0
    output: int = 0


@dataclass(frozen=True)
class Axis:
    """One dimension of a move: `count` elements, so many steps and bytes apart."""

    count: int
    steps: int
    source: int
    target: int

    def continues(self, inner: Axis) -> bool:
        """Whether this axis goes on where `inner` ends, so that one loop can run through both."""
        return (self.steps, self.source, self.target) == tuple(
            inner.count * apart for apart in (inner.steps, inner.source, inner.target)
        )


@dataclass(frozen=True)
class Block:
    """A move as the kernel runs it: which steps it takes part in (`outer`) and what it copies in each of them (`inner`)."""

    input: int | None
    fill: Array | None
    """The value to fill with where there is no input."""
    output: int
    start: int
    """The first step it takes part in; `source` and `target` are the bytes it begins at there."""
    source: int
    target: int
    outer: tuple[Axis, ...]
    inner: tuple[Axis, ...]
    run: int
    """Bytes that are contiguous in both tensors."""

    def spread(self, start: int, apart: list[int]) -> Int:
        """For each step that the block takes part in, in order: start + index * apart, summed over the outer axes."""
        places = np.array([start], np.int64)
        for axis, a in zip(self.outer, apart, strict=True):
            places = (places[:, None] + np.arange(axis.count) * a).reshape(-1)
        return places

    @property
    def taken(self) -> Int:
        """The steps that the block takes part in."""
        return self.spread(self.start, [axis.steps for axis in self.outer])

    def touched(self, side: str) -> tuple[Int, Int]:
        """First and last byte of the `source` or `target` that each of these steps touches."""
        first = self.spread(getattr(self, side), [getattr(axis, side) for axis in self.outer])
        reach = [(axis.count - 1) * getattr(axis, side) for axis in self.inner]
        return first + sum(min(r, 0) for r in reach), first + sum(max(r, 0) for r in reach) + self.run - 1


@dataclass(frozen=True, eq=False)
class Movement(Operator):
    """An operator that computes nothing; a subclass says in `moves` which elements go where.

    The steps are the rows of the only output, or those of the input where one input is dealt out to several outputs
    (`deals`). From the views' offsets and strides follow the rows that each step touches and the record for the C kernel.
    """

    deals: ClassVar[bool] = False

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        """Which elements go where; together the moves cover each output once. `inputs` has all positions."""
        raise NotImplementedError

    @property
    def data(self) -> tuple[int, ...]:
        """Positions of the inputs whose elements are moved; others are operands."""
        return (0,)

    def integers(self, position: int, *, wide: bool = False) -> tuple[int, ...]:
        """The elements of a constant int32 operand, or int64 where `wide`; raises Unsupported for other types."""
        value = self.constant(position)
        if value.dtype != np.int32 and not (wide and value.dtype == np.int64):
            types = "int32 or int64" if wide else "int32"
            raise Unsupported(f"{self.label}: input {position}, tensor {self.input(position)}, must be {types}")
        return tuple(value.reshape(-1).tolist())

    # ---- rows ----

    @property
    def steps(self) -> int:
        return self.input(self.data[0]).rows if self.deals else self.output.rows

    def reads(self, position: int) -> Ranges:
        """The rows that each step's blocks touch; all of them where one block goes through several."""
        tensor = self.input(position)
        blocks = [block for block in self.blocks if block.input == position]
        if any(self._crosses_rows(block) for block in blocks):
            return whole(self.steps, tensor.rows)
        low, high = np.full(self.steps, tensor.rows, np.int64), np.zeros(self.steps, np.int64)
        for block in blocks:
            row = block.touched("source")[0] // tensor.row_bytes
            low[block.taken] = np.minimum(low[block.taken], row)
            high[block.taken] = np.maximum(high[block.taken], row + 1)
        return _monotone(low, high)

    def writes(self, position: int) -> Ranges:
        if not self.deals:
            return each(self.steps)
        low, high = np.full(self.steps, self.outputs[position].rows, np.int64), np.zeros(self.steps, np.int64)
        for block in self.blocks:
            if block.output == position:
                low[block.taken] = block.touched("target")[0] // self.outputs[position].row_bytes
                high[block.taken] = low[block.taken] + 1
        return _monotone(low, high)

    @property
    def row_pointers(self) -> bool:
        """Each block reaches into one row of a tensor by a pointer of its own; one that goes on into further rows cannot."""
        return not any(self._crosses_rows(block) for block in self.blocks)

    def _crosses_rows(self, block: Block) -> bool:
        """Whether a block leaves a row of its input. It never leaves one of its output: a step makes whole rows."""
        if block.input is None or self.input(block.input).constant:
            return False
        first, last = (byte // self.input(block.input).row_bytes for byte in block.touched("source"))
        return bool((first != last).any())

    # ---- what the kernel runs ----

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The moves as offsets, strides and runs."""
        inputs = [np.empty(t.shape if t else (), t.dtype if t else np.int8) for t in self.inputs]
        outputs = [np.empty(t.shape, t.dtype) for t in self.outputs]
        return tuple(self._block(move, inputs, outputs) for move in self.moves(inputs, outputs))

    def _block(self, move: Move, inputs: Sequence[Array], outputs: Sequence[Array]) -> Block:
        source = 0 if move.input is None else _offset(move.source, inputs[move.input])
        target = _offset(move.target, outputs[move.output])
        strides = np.broadcast_to(move.source, move.target.shape).strides
        paces, start = (strides, source) if self.deals else (move.target.strides, target)
        step_bytes = (self.input(self.data[0]) if self.deals else self.output).bytes // self.steps
        axes = [
            Axis(count, pace // step_bytes, *apart)
            for count, pace, *apart in zip(move.target.shape, paces, strides, move.target.strides, strict=True)
            if count > 1
        ]
        outer = _merged([axis for axis in axes if axis.steps]) or [Axis(1, 1, 0, 0)]
        inner = _merged([axis for axis in axes if not axis.steps])
        run = move.target.itemsize
        if inner and inner[-1].source == inner[-1].target == run:
            run *= inner.pop().count
        assert len(inner) <= 2, "the rows that a step touches have at most two dimensions more than its runs"
        fill = move.source if move.input is None else None
        return Block(move.input, fill, move.output, start // step_bytes, source, target, tuple(outer), tuple(inner), run)

    def record(self) -> Record:
        moves = tuple(self._move_record(block) for block in self.blocks)
        return Record("copy", {"moves": moves, "moves_count": len(moves)})

    def _move_record(self, block: Block) -> Record:
        if block.fill is not None:
            source = Tensor("fill", (1,), block.fill.dtype, data=block.fill.reshape(1))
        else:
            assert block.input is not None
            source = self.input(block.input)
        once = Axis(1, 0, 0, 0)
        lines, runs = (once, once, *block.inner)[-2:]
        fields = {
            "input": source,
            "output": self.outputs[block.output],
            "axes": np.array([[a.steps, a.count, a.source, a.target] for a in block.outer], np.int32),
            "axes_count": len(block.outer),
            "start": block.start,
            "in_offset": block.source,
            "out_offset": block.target,
            "lines": lines.count,
            "line_in": lines.source,
            "line_out": lines.target,
            "runs": runs.count,
            "run_in": runs.source,
            "run_out": runs.target,
            "run_bytes": block.run,
        }
        return Record("move", fields)

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        if any(constants[position] is None for position in self.data):
            return None
        outputs = tuple(np.empty(t.shape, t.dtype) for t in self.outputs)
        inputs = [np.empty(0, np.int8) if value is None else value for value in constants]
        for move in self.moves(inputs, outputs):
            move.target[...] = move.source
        return outputs


def _offset(view: Array, origin: Array) -> int:
    """Bytes from the start of an array to the first element of a view of it."""
    return int(view.ctypes.data - origin.ctypes.data)


def _monotone(low: Int, high: Int) -> Ranges:
    """Ranges that never decrease: where rows are touched in another order, a step keeps what later ones touch and asks for
    what earlier ones do. Steps with high = 0 touch nothing."""
    reached = np.maximum.accumulate(high)
    return Ranges(np.where(high > 0, np.minimum.accumulate(low[::-1])[::-1], reached), reached)


def _merged(axes: Sequence[Axis]) -> list[Axis]:
    """The axes, from outermost to innermost, with those that one loop can run through made one."""
    merged: list[Axis] = []
    for axis in axes:
        if merged and merged[-1].continues(axis):
            outer = merged.pop()
            axis = Axis(outer.count * axis.count, axis.steps, axis.source, axis.target)
        merged.append(axis)
    return merged


def along(axis: int, index: slice | int) -> tuple[Any, ...]:
    """An index of one axis that leaves the others whole."""
    return (*(slice(None),) * axis, index, ...)


def backwards(low: int, high: int) -> slice:
    """The indices of [low, high), last first."""
    return slice(high - 1, low - 1 if low else None, -1)


def parameters(tensor: Tensor) -> tuple[float, int]:
    """Scale and zero point as TFLM has them: zeros where the model gives none."""
    return (tensor.scale, tensor.zero_point) if tensor.quantization is not None else (0.0, 0)


# ---- constraints that movements share ----


def moves_types(*names: str) -> Constraint:
    """A constraint: all data has one type, out of these."""

    def constraint(op: Movement) -> str | None:
        tensors = (*(op.input(position) for position in op.data), *op.outputs)
        wrong = [t for t in tensors if t.dtype.name not in names or t.dtype != op.output.dtype]
        return f"tensor {wrong[0]}" if wrong else None

    constraint.__doc__ = f"Inputs and outputs are of one type: {', '.join(names)}."
    return constraint
