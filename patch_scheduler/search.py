"""Placing buffers under forbidden offset differences: first fit, and a backtracking search below a given arena size.

Where an operator may still run in either direction, its pairs carry two forbidden spans; the first offsets that only
one direction permits decide it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patch_scheduler.conflicts import Buffer, Conflict, Span

FORWARD, REVERSE, EITHER = 1, 2, 3
EMPTY: Span = (0, 0)


@dataclass(frozen=True)
class Pair:
    """offset[second] - offset[first] must not lie strictly within `spans[d]` where `operator` runs in direction d."""

    first: int
    second: int
    operator: int
    spans: tuple[Span, Span]


@dataclass(frozen=True)
class Problem:
    """Buffers with sizes and alignments, their pairs, and the directions (a bit set) open to every operator."""

    size: tuple[int, ...]
    alignment: tuple[int, ...]
    pairs: tuple[Pair, ...]
    directions: tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """An offset per buffer, the directions (bit sets) that they leave to the operators, and the bytes they need."""

    offsets: tuple[int, ...]
    directions: tuple[int, ...]
    arena: int


def problem(found: Sequence[Buffer], forward: list[Conflict], reverse: list[Conflict], open_: Sequence[int]) -> Problem:
    """Joins the conflicts of the schedules with all operators running forward and all running in reverse."""
    spans: dict[Span, list[Span]] = {}
    deciders: dict[Span, int] = {}
    for direction, conflicts in enumerate((forward, reverse)):
        for conflict in conflicts:
            key = conflict.first, conflict.second
            spans.setdefault(key, [EMPTY, EMPTY])[direction] = conflict.low, conflict.high
            deciders[key] = conflict.operator
    pairs = []
    for (first, second), (ahead, back) in spans.items():
        operator = deciders[first, second]
        # Without a common operator the directions cannot matter but for rows that nobody reads: keep what is safe.
        if operator < 0:
            ahead = back = _hull(ahead, back)
        elif open_[operator] != EITHER:
            ahead = back = ahead if open_[operator] == FORWARD else back
        if ahead == back:
            operator = -1
        if _hull(ahead, back) != EMPTY:
            pairs.append(Pair(first, second, operator, (ahead, back)))
    return Problem(tuple(b.size for b in found), tuple(b.alignment for b in found), tuple(pairs), tuple(open_))


def _hull(one: Span, two: Span) -> Span:
    if EMPTY in (one, two):
        return two if one == EMPTY else one
    return min(one[0], two[0]), max(one[1], two[1])


def _common(one: Span, two: Span) -> Span:
    """What neither direction permits; an empty intersection is EMPTY."""
    low, high = max(one[0], two[0]), min(one[1], two[1])
    return (low, high) if low < high else EMPTY


class _Board:
    """Partly placed buffers, the offsets still open to the others, and the trail that undoes placements."""

    def __init__(self, task: Problem, arena: int) -> None:
        self.task = task
        self.directions = list(task.directions)
        self.offset: list[int | None] = [None] * len(task.size)
        self.gaps = [
            [(0, (arena - size) // align * align)] if size <= arena else []
            for size, align in zip(task.size, task.alignment, strict=True)
        ]
        self.slack = [sum(high - low for low, high in gaps) for gaps in self.gaps]
        self.near: list[list[tuple[int, int, tuple[Span, Span, Span]]]] = [[] for _ in task.size]
        self.decided: dict[int, list[Pair]] = {}
        for pair in task.pairs:
            spans = (*pair.spans, _common(*pair.spans))
            turned = tuple((-high, -low) for low, high in spans)
            self.near[pair.first].append((pair.second, pair.operator, spans))
            self.near[pair.second].append((pair.first, pair.operator, turned))  # type: ignore[arg-type]
            if pair.operator >= 0:
                self.decided.setdefault(pair.operator, []).append(pair)
        self.trail: list[tuple[int, list[Span]] | tuple[int, int]] = []
        self.culprit = -1

    def undo(self, mark: int) -> None:
        while len(self.trail) > mark:
            index, old = self.trail.pop()
            if isinstance(old, int):
                if index < 0:
                    self.directions[~index] = old
                else:
                    self.offset[index] = None
            else:
                self.gaps[index] = old
                self.slack[index] = sum(high - low for low, high in old)

    def place(self, buffer: int, offset: int) -> bool:
        """Places a buffer and cuts what its neighbours may do; False where one of them has nowhere left to go."""
        self.offset[buffer] = offset
        self.trail.append((buffer, 0))
        for other, operator, spans in self.near[buffer]:
            there = self.offset[other]
            if there is not None:
                if operator >= 0 and not self._permit(buffer, operator, spans, there - offset):
                    return False
            else:
                chosen = 2 if operator < 0 else self.directions[operator] - 1
                if not self._cut(other, offset, spans[chosen]):
                    return False
        return True

    def _permit(self, buffer: int, operator: int, spans: tuple[Span, Span, Span], difference: int) -> bool:
        """Strikes out the directions that the difference contradicts."""
        old = new = self.directions[operator]
        for direction in (0, 1):
            if spans[direction][0] < difference < spans[direction][1]:
                new &= ~(1 << direction)
        if new == old:
            return True
        self.culprit = buffer
        self.trail.append((~operator, old))
        self.directions[operator] = new
        return new != 0 and self._follow(operator, new - 1)

    def _follow(self, operator: int, direction: int) -> bool:
        """Applies a direction just decided to the operator's pairs of which one buffer is placed."""
        for pair in self.decided[operator]:
            first, second, span = self.offset[pair.first], self.offset[pair.second], pair.spans[direction]
            if first is not None and second is None:
                if not self._cut(pair.second, first, span):
                    return False
            elif first is None and second is not None and not self._cut(pair.first, second, (-span[1], -span[0])):
                return False
        return True

    def _cut(self, buffer: int, base: int, span: Span) -> bool:
        """Takes base + span, an open interval, out of a buffer's offsets."""
        if span[1] - span[0] < 2:
            return True
        align = self.task.alignment[buffer]
        low, high = (base + span[0]) // align * align, -(-(base + span[1]) // align) * align
        old = self.gaps[buffer]
        new, same = [], True
        for gap in old:
            if high <= gap[0] or low >= gap[1]:
                new.append(gap)
                continue
            same = False
            if gap[0] <= low:
                new.append((gap[0], low))
            if high <= gap[1]:
                new.append((high, gap[1]))
        if not same:
            self.trail.append((buffer, old))
            self.gaps[buffer] = new
            self.slack[buffer] = sum(high - low for low, high in new)
        self.culprit = buffer
        return bool(new)

    def candidates(self, buffer: int) -> list[int]:
        """Both ends of every open gap, and where the choice of a direction makes a step."""
        gaps = self.gaps[buffer]
        found = [end for gap in gaps for end in gap]
        align = self.task.alignment[buffer]
        for other, operator, spans in self.near[buffer]:
            base = self.offset[other]
            if operator < 0 or base is None or self.directions[operator] != EITHER:
                continue
            for low, high in spans[:2]:
                ends = ((base - high) // align * align, -(-(base - low) // align) * align)
                found += [end for end in ends if any(gap[0] <= end <= gap[1] for gap in gaps)]
        return sorted(set(found))

    def placement(self) -> Placement:
        offsets = tuple(offset or 0 for offset in self.offset)
        arena = max((o + s for o, s in zip(offsets, self.task.size, strict=True)), default=0)
        return Placement(offsets, tuple(self.directions), arena)


def first_fit(task: Problem, order: Sequence[int]) -> Placement:
    """Every buffer in turn at the lowest offset that is still open."""
    board = _Board(task, 2 * (sum(task.size) + sum(task.alignment)))
    for buffer in order:
        mark = len(board.trail)
        for offset in board.candidates(buffer):
            if board.place(buffer, offset):
                break
            board.undo(mark)
        else:
            return _stacked(task)
    return board.placement()


def _stacked(task: Problem) -> Placement:
    """One after the other, nothing shared: always right."""
    offsets, end = [], 0
    for size, align in zip(task.size, task.alignment, strict=True):
        offsets.append(-(-end // align) * align)
        end = offsets[-1] + size
    return Placement(tuple(offsets), task.directions, end)


def fit(task: Problem, arena: int, limit: int, high_first: bool = False) -> Placement | None:
    """Backtracks over the ends of the open gaps, tightest buffer first, for about `limit` placements.

    Finding nothing proves nothing: offsets inside a gap are not tried. Buffers that led into dead ends are tried
    earlier after a restart.
    """
    weight = [1] * len(task.size)
    budget = 2 * len(task.size) + len(task.pairs) // 4
    while limit > 0:
        board = _Board(task, arena)
        left = _descend(board, weight, min(budget, limit), high_first)
        if left is not None:
            return board.placement() if left else None
        limit -= budget
        budget *= 2
        high_first = not high_first
    return None


def _descend(board: _Board, weight: list[int], budget: int, high_first: bool) -> bool | None:
    """Depth first: True when all is placed, False when nothing is left to try, None when the budget is spent."""
    stack: list[tuple[int, list[int], int]] = []
    free = set(range(len(weight)))
    while free:
        buffer = min(free, key=lambda b: (board.slack[b] / weight[b], -board.task.size[b], b))
        choices = board.candidates(buffer)
        choices.sort(reverse=not high_first)  # taken from the end
        if len(choices) > 2:  # both ends first
            choices.insert(len(choices) - 1, choices.pop(0))
        free.discard(buffer)
        stack.append((buffer, choices, len(board.trail)))
        while stack:
            buffer, choices, mark = stack[-1]
            if not choices:
                stack.pop()
                free.add(buffer)
                if stack:
                    board.undo(stack[-1][2])
                continue
            if budget <= 0:
                return None
            budget -= 1 + len(board.near[buffer]) // 8  # about what a placement costs
            if board.place(buffer, choices.pop()):
                break
            weight[board.culprit] += 1
            board.undo(mark)
        if not stack:
            return False
    return True
