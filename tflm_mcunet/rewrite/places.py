"""Where tensors lie in TFLM's arena, so that a stage's inputs and outputs lie inside the stage's own arena.

Tensors that must keep their distance from each other form a body: a stage's arena with the inputs and outputs inside it.
Bodies are placed by first fit in several orders; TFLM's planner takes the offsets from the model's metadata and fits the
scratch memory of its kernels around them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 16
"""Of all tensors in TFLM's arena."""

ORDERS = 60
"""Orders that are tried where the first ones stay above the lower bound."""


@dataclass(frozen=True)
class Span:
    """A tensor's bytes during the operators [first, last], in a body at `offset`."""

    tensor: int
    size: int
    first: int
    last: int
    offset: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size

    def at(self, offset: int) -> Span:
        """The same span elsewhere."""
        return Span(self.tensor, self.size, self.first, self.last, offset)

    def meets(self, other: Span) -> bool:
        """Whether both are there at one time."""
        return self.first <= other.last and other.first <= self.last

    def collides(self, other: Span) -> bool:
        """Whether both have a byte in common at one time."""
        return self.meets(other) and self.offset < other.end and other.offset < self.end


@dataclass(frozen=True)
class Inside:
    """`tensor` lies at `offset` of the stage's arena `arena`, a tensor, too; both share its bytes while the stage runs."""

    tensor: int
    arena: int
    offset: int


def place(spans: Sequence[Span], inside: Iterable[Inside]) -> dict[int, int]:
    """The offset of every tensor, of no more bytes than the best of many first fits takes.

    Wishes in `inside` that contradict others are left out: such a tensor is copied when the stage runs.
    """
    bodies = _bodies(spans, inside)
    bound = lower_bound(bodies)
    best: list[Span] | None = None
    for order in _orders(bodies):
        placed = _first_fit(order)
        if best is None or height(placed) < height(best):
            best = placed
        if height(best) <= bound:
            break
    return {span.tensor: span.offset for span in best or []}


def height(spans: Iterable[Span]) -> int:
    """Bytes up to the highest end."""
    return max((span.end for span in spans), default=0)


def lower_bound(bodies: Iterable[Sequence[Span]]) -> int:
    """No placing of the bodies takes less: what they cover at the worst moment."""
    spans = [span for body in bodies for span in body]
    times = {span.first for span in spans}
    return max((sum(_covered([s for s in body if s.first <= t <= s.last]) for body in bodies) for t in times), default=0)


def _covered(spans: Iterable[Span]) -> int:
    """Bytes of a union of spans."""
    total, reached = 0, -1 << 62
    for span in sorted(spans, key=lambda s: s.offset):
        total += max(0, span.end - max(span.offset, reached))
        reached = max(reached, span.end)
    return total


# ---- bodies ----


def _bodies(spans: Sequence[Span], inside: Iterable[Inside]) -> list[list[Span]]:
    """Groups of spans with fixed distances."""
    body: dict[int, list[Span]] = {span.tensor: [span] for span in spans}
    shared: set[frozenset[int]] = set()
    for wish in inside:
        if body[wish.tensor] is body[wish.arena]:
            continue  # whatever distance they have: the stage copies where it is not the one it needs
        moved = _find(body[wish.arena], wish.arena).offset + wish.offset - _find(body[wish.tensor], wish.tensor).offset
        joined = [span.at(span.offset + moved) for span in body[wish.tensor]]
        pair = frozenset((wish.tensor, wish.arena))
        if any(a.collides(b) and not _allowed(a, b, shared | {pair}) for a in joined for b in body[wish.arena]):
            continue
        shared.add(pair)
        merged = [*body[wish.arena], *joined]
        for span in merged:
            body[span.tensor] = merged
    unique = {id(group): group for group in body.values()}.values()
    return [[span.at(span.offset - min(s.offset for s in group)) for span in group] for group in unique]


def _allowed(a: Span, b: Span, shared: set[frozenset[int]]) -> bool:
    """A tensor and the arena it lies in share bytes while the stage runs; so do two tensors inside the same arena then."""
    if frozenset((a.tensor, b.tensor)) in shared:
        return True
    arenas = {tensor for pair in shared if a.tensor in pair for tensor in pair - {a.tensor}}
    arenas &= {tensor for pair in shared if b.tensor in pair for tensor in pair - {b.tensor}}
    return bool(arenas) and max(a.first, b.first) == min(a.last, b.last)


def _find(body: Iterable[Span], tensor: int) -> Span:
    return next(span for span in body if span.tensor == tensor)


# ---- first fit ----


def _orders(bodies: list[list[Span]]) -> Iterable[list[list[Span]]]:
    yield sorted(bodies, key=lambda body: -height(body))
    yield sorted(bodies, key=lambda body: -sum(span.size * (span.last - span.first + 1) for span in body))
    yield sorted(bodies, key=lambda body: (min(span.first for span in body), -height(body)))
    chance = random.Random(0)
    order = sorted(bodies, key=lambda body: -height(body))
    for _ in range(ORDERS):
        noise = {id(body): height(body) * chance.uniform(0.5, 1.5) for body in order}
        yield sorted(bodies, key=lambda body: -noise[id(body)])


def _first_fit(order: list[list[Span]]) -> list[Span]:
    placed: list[Span] = []
    for body in order:
        near = [(mine, other) for mine in body for other in placed if mine.meets(other)]
        bases = sorted({0, *(_aligned(other.end - mine.offset) for mine, other in near if other.end > mine.offset)})
        base = next(b for b in bases if not any(mine.at(mine.offset + b).collides(other) for mine, other in near))
        placed += [span.at(span.offset + base) for span in body]
    return placed


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


# ---- what the network needs ----


def spans_of(
    sizes: Mapping[int, int],
    operators: Sequence[tuple[Sequence[int], Sequence[int]]],
    inputs: Iterable[int],
    outputs: Iterable[int],
) -> list[Span]:
    """The spans of tensors with a size, over the operators' (reads, writes), as TFLM's allocator counts them.

    Inputs are there from before the first operator on, outputs until after the last, and what an operator writes while it runs.
    """
    first: dict[int, int] = dict.fromkeys(inputs, 0)
    last = dict(first)
    for time, (reads, writes) in enumerate(operators, 1):
        for tensor in writes:
            first.setdefault(tensor, time)
        last.update(dict.fromkeys((*reads, *writes), time))
    last.update(dict.fromkeys(outputs, len(operators)))
    return [Span(t, _aligned(size), first[t], last[t]) for t, size in sizes.items() if t in first and size]
