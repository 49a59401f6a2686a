"""Places units one after the other, each at the lowest address where it is free.

Lives are fixed, so which pieces meet, and how their offsets exclude each other, is worked out once per unit.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Int
from patch_scheduler.units import InPlace, Unit

UNPLACED = 1 << 40  # an address above all others
FAR = 1 << 50
ENDS = np.array([[-FAR, FAR], [0, FAR]])
Order = list[int]
Flags = NDArray[np.bool_]


class _Near(NamedTuple):
    """What a unit meets, piece by piece: whose it is, the offsets between which the unit must not lie, and exceptions.

    `span[:, p]` is relative to the offset of `owner[p]`; the last two are the ends of the address space.
    `exact`: offsets that are allowed between two spans, which are one but for that.
    `aligned`: the upper ends are multiples of the unit's alignment.
    """

    owner: Int
    span: Int
    opened: list[tuple[int, int, int, bool]]
    exact: list[tuple[int, int, int, int]]
    aligned: bool


class _Pieces(NamedTuple):
    """Pieces in the order of their units; `number`: among all; `again`: the one before is at the same place of its unit."""

    number: Int
    owner: Int
    low: Int
    high: Int
    birth: Int
    death: Int
    again: Flags


class Field:
    """The units and what they exclude. Those that are `early` are always placed before the others, and do not look at them."""

    def __init__(self, found: Sequence[Unit], shared: Sequence[InPlace], early: Container[int]) -> None:
        self.units = found
        self.size = np.array([*(unit.size for unit in found), 0], np.int64)
        self.alignment = np.array([unit.alignment for unit in found], np.int64)
        self.is_early = np.array([index in early for index in range(len(found))], bool)
        self.first, self.all = _pieces(found)
        chosen = np.flatnonzero(self.is_early[self.all.owner])
        self.early = _Pieces._make(values[chosen] for values in self.all)
        self.partners: list[list[tuple[int, int, int, InPlace]]] = [[] for _ in found]
        for pair in shared:
            (source, below), (target, above) = pair.source, pair.target
            self.partners[target].append((above, source, below, pair))
            self.partners[source].append((below, target, above, pair))
        self.known: list[_Near | None] = [None] * len(found)

    def nowhere(self) -> Int:
        """Offsets with nothing placed; the last is that of the ends of the address space."""
        offsets = np.full(len(self.units) + 1, UNPLACED, np.int64)
        offsets[-1] = 0
        return offsets

    def fill(self, order: Sequence[int], limit: float = np.inf, placed: Int | None = None) -> tuple[Int, int] | None:
        """Offsets of the units in `order`, after those already `placed`, and the bytes that they need; None above the limit."""
        offsets = self.nowhere() if placed is None else placed.copy()
        top = int((offsets + self.size)[offsets < UNPLACED].max())
        for index in order:
            offset = self._lowest(index, offsets)
            top = max(top, offset + self.units[index].size)
            if top > limit:
                return None
            offsets[index] = offset
        return offsets, top

    def _lowest(self, index: int, offsets: Int) -> int:
        near = self.known[index] or self._learn(index)
        where = offsets.take(near.owner)
        span = near.span + where
        for at, partner, shift, target in near.opened:
            _open(span[0 if target else 1], at, int(offsets[partner]), shift, target)
        for below_it, above_it, partner, shift in near.exact:
            _part(span, below_it, above_it, int(offsets[partner]) + shift)
        order = span[0].argsort()
        below, above = span[0].take(order), span[1].take(order)
        ends = np.maximum.accumulate(above)
        alignment = self.units[index].alignment
        if not near.aligned:
            ends = -(-ends // alignment) * alignment
        return int(ends[(ends[:-1] <= below[1:]).argmax()])

    def _learn(self, index: int) -> _Near:
        """All pieces that live at the same time as one of the unit's."""
        unit, pieces = self.units[index], self.early if self.is_early[index] else self.all
        mine, other = _meeting(unit, pieces)
        owner = pieces.owner[other]
        span = np.array([pieces.low[other] - unit.high[mine], pieces.high[other] - unit.low[mine]])
        special = list(self._special(index, mine, pieces.number[other]))
        alone = np.zeros(len(other), bool)
        alone[[at for at, *_ in special]] = True
        again = pieces.again[other]
        again[:1] = False
        again[1:] &= other[1:] - other[:-1] == 1
        owner, span, place = _fewer(owner, span, again, alone, len(unit.low) > 1)
        opened, exact = [], []
        for at, partner, pair, shift in special:
            if pair.exact:  # what is parted is there twice: once up to the offset that is allowed, once from there on
                exact.append((int(place[at]), len(owner), partner, shift))
                owner, span = np.append(owner, owner[place[at]]), np.append(span, span[:, [place[at]]], axis=1)
            else:
                opened.append((int(place[at]), partner, shift, pair.target[0] == index))
        aligned = unit.alignment == 1 or not (
            (span[1] % unit.alignment).any()
            or (self.alignment[owner] % unit.alignment).any()
            or any(shift % unit.alignment for *_, shift in special)
        )
        # The ends of the address space come last, so that pieces keep their places.
        owner = np.concatenate((owner, [len(self.units)] * 2))
        span = np.concatenate((span, ENDS), axis=1)
        self.known[index] = near = _Near(owner, span, opened, exact, aligned)
        return near

    def _special(self, index: int, mine: Int, number: Int) -> Iterator[tuple[int, int, InPlace, int]]:
        """Of pieces that meet, those that may overlap: their place in the list, the partner, why, and from what offset on."""
        total = len(self.all.number)
        keys = mine * total + number
        for piece, partner, its, pair in self.partners[index]:
            where = int(self.first[partner]) + its
            at = int(keys.searchsorted(piece * total + where))
            if at < len(keys) and keys[at] == piece * total + where:
                above = pair.above if pair.target == (index, piece) else -pair.above
                yield at, partner, pair, int(self.all.low[where]) + above - int(self.units[index].low[piece])


def _pieces(found: Sequence[Unit]) -> tuple[Int, _Pieces]:
    """The number of every unit's first piece, and all pieces."""
    count = np.array([len(unit.low) for unit in found], np.int64)
    low, high, birth, death = (
        np.concatenate([getattr(unit, name) for unit in found]) if found else np.zeros(0, np.int64)
        for name in ("low", "high", "birth", "death")
    )
    owner = np.repeat(np.arange(len(found)), count)
    again = np.zeros(len(owner), bool)
    again[1:] = (np.diff(owner) == 0) & (np.diff(low) == 0) & (np.diff(high) == 0)
    return np.cumsum(count) - count, _Pieces(np.arange(len(owner)), owner, low, high, birth, death, again)


def _meeting(unit: Unit, pieces: _Pieces) -> tuple[Int, Int]:
    """Pairs of pieces, the unit's and others, that live at the same time."""
    if len(unit.low) == 1:
        other = ((pieces.birth <= unit.death) & (pieces.death >= unit.birth)).nonzero()[0]
        return np.zeros_like(other), other
    mine, other = ((pieces.birth <= unit.death[:, None]) & (pieces.death >= unit.birth[:, None])).nonzero()
    return mine, other


def _fewer(owner: Int, span: Int, again: Flags, alone: Flags, mixed: bool) -> tuple[Int, Int, Int]:
    """One span where several of an owner overlap, and where each is then; those that stand `alone` stay as they are.

    `again`: the span before is the same. `mixed`: those of one owner do not follow each other.
    """
    kept = alone | ~again
    kept[1:] |= alone[:-1]
    place, owner, span, alone = kept.cumsum() - 1, owner[kept], span[:, kept], alone[kept]
    others = ~alone
    joint = owner[others]
    if not mixed and not (joint[1:] == joint[:-1]).any():
        return owner, span, place
    joined, joined_span = _joined(joint, span[:, others])
    owner, span = np.concatenate((joined, owner[alone])), np.concatenate((joined_span, span[:, alone]), axis=1)
    return owner, span, (alone.cumsum() - 1 + len(joined))[place]


def _joined(owner: Int, span: Int) -> tuple[Int, Int]:
    """Spans of one owner that overlap, as those of consecutive rows do, become one."""
    apart = owner * UNPLACED
    order = (span[0] + apart).argsort()
    below, above = (span[0] + apart)[order], np.maximum.accumulate((span[1] + apart)[order])
    first = np.flatnonzero(np.concatenate(([True], below[1:] >= above[:-1]))[: len(order)])
    owner = owner[order][first]
    last = np.concatenate((first[1:], [len(order)])) - 1
    return owner, np.array([below[first], above[last]])[:, : len(owner)] - owner * UNPLACED


def _part(span: Int, below: int, above: int, offset: int) -> None:
    """Parts two equal spans at an offset inside them."""
    if span[0, below] <= offset <= span[1, above]:
        span[1, below] = span[0, above] = offset


def _open(side: Int, at: int, partner: int, shift: int, target: bool) -> None:
    """Opens the addresses at which a row may be written over one that its operator reads for the last time."""
    if partner != UNPLACED:
        side[at] = max(side[at], partner + shift) if target else min(side[at], partner + shift)
