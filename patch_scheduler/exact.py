"""Decides whether buffers fit into a given arena: branch and bound over which of two buffers lies above the other.

A node keeps the lowest and the highest offset of every buffer. Where only one order of a pair is left it narrows the
offsets; when all is narrowed and the lowest offsets contradict no pair they are a solution, otherwise a pair that
they contradict is the next to branch on. So a search that ends is a proof.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patch_scheduler.geometry import Int
from patch_scheduler.search import EITHER, Placement, Problem

Flags = NDArray[np.bool_]


class Exhausted(Exception):
    """The node limit was reached before the answer."""


@dataclass
class _Node:
    """`open_[k]` are the pairs that alternative k (2 * direction + above) is still open to."""

    low: Int
    high: Int
    open_: Flags
    directions: Int

    def copy(self) -> _Node:
        return _Node(self.low.copy(), self.high.copy(), self.open_.copy(), self.directions.copy())


def decide(task: Problem, arena: int, limit: int) -> Placement | None:
    """A placement within `arena` bytes, or None where there is none; Exhausted after `limit` nodes."""
    return _Search(task, arena).run(limit)


class _Search:
    def __init__(self, task: Problem, arena: int) -> None:
        self.task = task
        self.size, self.align = np.array(task.size, np.int64), np.array(task.alignment, np.int64)
        self.top = (arena - self.size) // self.align * self.align
        self.first = np.array([pair.first for pair in task.pairs], np.int64)
        self.second = np.array([pair.second for pair in task.pairs], np.int64)
        self.operator = np.array([pair.operator for pair in task.pairs], np.int64)
        spans = np.array([pair.spans for pair in task.pairs], np.int64).reshape(-1, 2, 2)
        self.below, self.above = spans[:, :, 0].T, spans[:, :, 1].T  # by direction

    def run(self, limit: int) -> Placement | None:
        """Depth first, an explicit stack."""
        stack = [self._root()]
        while stack:
            if not limit:
                raise Exhausted
            limit -= 1
            node = stack.pop()
            if not self._narrow(node):
                continue
            pair = self._contradiction(node)
            if pair < 0:
                return self._placement(node)
            stack.extend(self._branches(node, pair))
        return None

    def _root(self) -> _Node:
        open_ = np.ones((4, len(self.first)), bool)
        open_[2:, self.operator < 0] = False  # both directions are the same
        return _Node(np.zeros_like(self.size), self.top.copy(), open_, np.array(self.task.directions, np.int64))

    def _narrow(self, node: _Node) -> bool:
        """Strikes out what the bounds exclude and moves the bounds by what is left, until nothing moves."""
        first, second, decided = self.first, self.second, self.operator >= 0
        far = np.iinfo(np.int64).max // 4
        while True:
            if (node.low > node.high).any():
                return False
            for direction in (0, 1):
                node.open_[2 * direction] &= node.low[second] - node.high[first] <= self.below[direction]
                node.open_[2 * direction + 1] &= node.high[second] - node.low[first] >= self.above[direction]
                possible = (node.directions[self.operator] >> direction & 1).astype(bool) | ~decided
                node.open_[2 * direction : 2 * direction + 2] &= possible
            if not node.open_.any(axis=0).all():
                return False
            directions = self._directions(node)
            # Per pair the widest difference that some open alternative permits.
            lows = np.where(node.open_[1::2], self.above, far).min(axis=0)
            lows[node.open_[0::2].any(axis=0)] = -far
            highs = np.where(node.open_[0::2], self.below, -far).max(axis=0)
            highs[node.open_[1::2].any(axis=0)] = far
            low, high = node.low.copy(), node.high.copy()
            np.maximum.at(low, second, node.low[first] + lows)
            np.maximum.at(low, first, node.low[second] - highs)
            np.minimum.at(high, first, node.high[second] - lows)
            np.minimum.at(high, second, node.high[first] + highs)
            low, high = -(-low // self.align) * self.align, high // self.align * self.align
            still = (low == node.low).all() and (high == node.high).all() and (directions == node.directions).all()
            node.low, node.high, node.directions = low, high, directions
            if still:
                return True

    def _directions(self, node: _Node) -> Int:
        """An operator keeps a direction only as long as all its pairs do."""
        directions = node.directions.copy()
        for direction in (0, 1):
            lost = (self.operator >= 0) & ~node.open_[2 * direction : 2 * direction + 2].any(axis=0)
            directions[self.operator[lost]] &= ~(1 << direction)
        return directions

    def _contradiction(self, node: _Node) -> int:
        """The pair most in the way at the lowest offsets, or -1; an operator's direction must suit all its pairs."""
        difference = node.low[self.second] - node.low[self.first]
        within = (self.below < difference) & (difference < self.above)
        directions = node.directions[self.operator]
        possible = np.array([directions & 1, directions >> 1 & 1]).astype(bool)
        possible[0, self.operator < 0], possible[1, self.operator < 0] = True, False
        wrong = (within | ~possible).all(axis=0)
        if not wrong.any():
            # Each pair is fine in some direction, but perhaps not all of an operator's pairs in the same one.
            wrong = within.any(axis=0) & (self.operator >= 0) & (directions == EITHER)
            for operator in np.unique(self.operator[wrong]):
                mine = self.operator == operator
                if within[:, mine].any(axis=1).all():
                    wrong &= mine
                    break
            else:
                return -1
        depth = np.where(wrong, np.minimum(difference - self.below.max(axis=0), self.above.min(axis=0) - difference), -1 << 60)
        return int(depth.argmax()) if wrong.any() else -1

    def _branches(self, node: _Node, pair: int) -> list[_Node]:
        """One node per open alternative, the one that moves the offsets least on top."""
        found = []
        difference = int(node.low[self.second[pair]] - node.low[self.first[pair]])
        for alternative in np.flatnonzero(node.open_[:, pair]).tolist():
            direction, above = divmod(alternative, 2)
            child = node.copy()
            child.open_[:, pair] = False
            child.open_[alternative, pair] = True
            move = int(self.above[direction, pair]) - difference if above else difference - int(self.below[direction, pair])
            found.append((-max(move, 0), -alternative, child))
        found.sort(key=lambda entry: entry[:2])
        return [child for _, _, child in found]

    def _placement(self, node: _Node) -> Placement:
        """The lowest offsets, and every direction that they permit."""
        difference = node.low[self.second] - node.low[self.first]
        directions = node.directions.copy()
        for direction in (0, 1):
            wrong = (self.below[direction] < difference) & (difference < self.above[direction]) & (self.operator >= 0)
            directions[self.operator[wrong]] &= ~(1 << direction)
        arena = int((node.low + self.size).max(initial=0))
        return Placement(tuple(node.low.tolist()), tuple(directions.tolist()), arena)
