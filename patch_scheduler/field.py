"""Places units one after the other, each at the lowest address where it is free.

Lives are fixed, so which pieces meet, and how their offsets exclude each other, is worked out once per unit.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from patch_scheduler.geometry import Int
from patch_scheduler.units import InPlace, Unit

UNPLACED = 1 << 40  # an address above all others
FAR = 1 << 50
Order = list[int]


@dataclass(frozen=True)
class _Near:
    """What a unit meets, piece by piece: whose it is, the offsets between which the unit must not lie, and exceptions.

    `span[:, p]` is relative to the offset of `owner[p]`; the last two are the ends of the address space.
    `exact`: offsets that are allowed between two spans, which are one but for that.
    `aligned`: the upper ends are multiples of the unit's alignment.
    """

    owner: Int
    span: Int
    opened: list[tuple[Int, int, int, bool]]
    exact: list[tuple[int, int, int, int]]
    aligned: bool


class Field:
    """The units and what they exclude. Those that are `early` are always placed before the others, and do not look at them."""

    def __init__(self, found: Sequence[Unit], shared: Sequence[InPlace], early: Container[int]) -> None:
        self.units = found
        self.size = np.array([*(unit.size for unit in found), 0], np.int64)
        count = np.array([len(unit.low) for unit in found], np.int64)
        self.first = np.cumsum(count) - count
        self.low, self.high, self.birth, self.death = (
            np.concatenate([getattr(unit, name) for unit in found]) if len(found) else np.zeros(0, np.int64)
            for name in ("low", "high", "birth", "death")
        )
        self.owner = np.repeat(np.arange(len(found)), count)
        self.is_early = np.array([index in early for index in range(len(found))], bool)
        self.shared = (count > 1)[self.owner]
        self.early = np.flatnonzero(self.is_early[self.owner])
        self.all = np.arange(len(self.owner))
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
        birth, death = self.birth[pieces], self.death[pieces]
        if len(unit.low) == 1:
            other = np.flatnonzero((birth <= unit.death) & (death >= unit.birth))
            mine = np.zeros_like(other)
        else:
            mine, other = np.nonzero((birth <= unit.death[:, None]) & (death >= unit.birth[:, None]))
        other = pieces[other]
        owner, span = self.owner[other], np.array([self.low[other] - unit.high[mine], self.high[other] - unit.low[mine]])
        opened, apart = [], ~self.shared[other] if len(unit.low) == 1 else np.zeros(len(other), bool)
        parted: list[tuple[Int, int, int]] = []
        for piece, partner, its, pair in self.partners[index]:
            where, target = int(self.first[partner]) + its, pair.target == (index, piece)
            at = np.flatnonzero((other == where) & (mine == piece))
            apart[at] = True
            shift = int(self.low[where]) + (pair.above if target else -pair.above) - int(unit.low[piece])
            if pair.exact:
                parted.append((at, partner, shift))
            else:
                opened.append((at, partner, shift, target))
        if not apart.all():
            joined, joined_span = _joined(owner[~apart], span[:, ~apart])
            place = np.cumsum(apart) - 1 + len(joined)
            opened = [(place[at], partner, shift, target) for at, partner, shift, target in opened]
            parted = [(place[at], partner, shift) for at, partner, shift in parted]
            owner = np.concatenate((joined, owner[apart]))
            span = np.concatenate((joined_span, span[:, apart]), axis=1)
        # What is parted is there twice: once up to the offset that is allowed, once from there on.
        exact = []
        for at, partner, shift in parted:
            for place_of in at.tolist():
                exact.append((place_of, len(owner), partner, shift))
                owner = np.append(owner, owner[place_of])
                span = np.append(span, span[:, [place_of]], axis=1)
        # The ends of the address space come last, so that pieces keep their places.
        owner = np.concatenate((owner, [len(self.units)] * 2))
        span = np.concatenate((span, [[-FAR, FAR], [0, FAR]]), axis=1)
        aligned = unit.alignment == 1 or (
            not (span[1] % unit.alignment).any()
            and not any(shift % unit.alignment for _, _, shift, *_ in opened)
            and not any(shift % unit.alignment for *_, shift in exact)
            and not any(self.units[i].alignment % unit.alignment for i in set(owner[:-2].tolist()))
        )
        self.known[index] = near = _Near(owner, span, opened, exact, aligned)
        return near


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


def _open(side: Int, at: Int, partner: int, shift: int, target: bool) -> None:
    """Opens the addresses at which a row may be written over one that its operator reads for the last time."""
    if partner != UNPLACED:
        side[at] = np.maximum(side[at], partner + shift) if target else np.minimum(side[at], partner + shift)
