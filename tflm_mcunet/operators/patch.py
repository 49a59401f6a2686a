"""CROP and ASSEMBLE: pieces of an image, and an image of its pieces, for inference patch by patch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tflm_mcunet.graph import Array
from tflm_mcunet.operators.movement import Move, Movement


@dataclass(frozen=True, order=True)
class Region:
    """Rows [top, bottom) and columns [left, right) of an image."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> tuple[int, int]:
        return self.top, self.bottom

    @property
    def columns(self) -> tuple[int, int]:
        return self.left, self.right

    @property
    def empty(self) -> bool:
        return self.top >= self.bottom or self.left >= self.right

    def hull(self, other: Region | None) -> Region:
        """The smallest region that holds both."""
        if other is None or other.empty:
            return self
        if self.empty:
            return other
        return Region(
            min(self.top, other.top), max(self.bottom, other.bottom), min(self.left, other.left), max(self.right, other.right)
        )

    def inside(self, outer: Region) -> Region:
        """This region in the coordinates of `outer`, which holds it."""
        return Region(self.top - outer.top, self.bottom - outer.top, self.left - outer.left, self.right - outer.left)


@dataclass(frozen=True, eq=False)
class Crop(Movement):
    """A region of an NHWC image."""

    kind = "CROP"
    internal: ClassVar[bool] = True

    region: Region = field(kw_only=True)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        yield Move(outputs[0], inputs[0][:, slice(*self.region.rows), slice(*self.region.columns)])


@dataclass(frozen=True, eq=False)
class Assemble(Movement):
    """An NHWC image whose regions are the inputs; together they cover it once."""

    kind = "ASSEMBLE"
    internal: ClassVar[bool] = True

    regions: tuple[Region, ...] = field(kw_only=True)

    @property
    def data(self) -> tuple[int, ...]:
        return tuple(range(len(self.inputs)))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        for position, region in enumerate(self.regions):
            yield Move(outputs[0][:, slice(*region.rows), slice(*region.columns)], inputs[position], input=position)
