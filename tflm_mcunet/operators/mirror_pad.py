"""MIRROR_PAD: a tensor surrounded by its own reflection (kernels/mirror_pad.cc)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.base import Options, has_one_output
from tflm_mcunet.operators.movement import Move, Movement, backwards, moves_types


def paddings_match_shapes(op: MirrorPad) -> str | None:
    """The paddings are a constant of int32 or int64 pairs, one for each dimension, and give the output's shape."""
    source, target, shape = op.input(0).shape, op.output.shape, op.input(1).shape
    if shape != (len(source), 2) or len(source) != len(target):
        return f"paddings of shape {shape} for tensors {op.input(0)} and {op.output}"
    if any(n + before + after != m for n, m, (before, after) in zip(source, target, op.paddings, strict=True)):
        return f"paddings {op.paddings} for tensors {op.input(0)} and {op.output}"
    return None


def reflection_is_inside(op: MirrorPad) -> str | None:
    """No padding is negative or longer than what it mirrors: the dimension (SYMMETRIC), or that less its edge (REFLECT)."""
    for size, pair in zip(op.input(0).shape, op.paddings, strict=True):
        if min(pair) < 0 or max(pair) > size - op.edge:
            return f"paddings {pair} for a dimension of {size}, {op.mode}"
    return None


@dataclass(frozen=True, eq=False)
class MirrorPad(Movement):
    """The input in the middle of the output, continued by its mirror image in every dimension."""

    kind = "MIRROR_PAD"
    constraints = (has_one_output, moves_types("int8", "float32"), paddings_match_shapes, reflection_is_inside)

    mode: str = field(default="REFLECT", kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        return {"mode": options["Mode"]}

    @property
    def edge(self) -> int:
        """Elements at the edge that are not repeated."""
        return int(self.mode == "REFLECT")

    @property
    def paddings(self) -> tuple[tuple[int, int], ...]:
        """Elements before and after, per dimension."""
        values = self.integers(1, wide=True)
        return tuple(zip(values[::2], values[1::2], strict=True))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        shape = inputs[0].shape
        pieces = (list(self._pieces(size, *pair)) for size, pair in zip(shape, self.paddings, strict=True))
        for piece in itertools.product(*pieces):
            targets: tuple[Any, ...] = tuple(target for target, _ in piece)
            sources: tuple[Any, ...] = tuple(source for _, source in piece)
            yield Move(outputs[0][(*targets, ...)], inputs[0][(*sources, ...)])

    def _pieces(self, size: int, before: int, after: int) -> Iterator[tuple[slice, slice]]:
        """Slices of the output and of the input along one dimension."""
        yield slice(before, before + size), slice(None)
        if before:
            yield slice(0, before), backwards(self.edge, self.edge + before)
        if after:
            yield slice(before + size, None), backwards(size - self.edge - after, size - self.edge)

    def describe(self) -> str:
        return f"{self.mode} {' '.join(f'{before}+{after}' for before, after in self.paddings)}"
