"""Folds the canonical event list into loops: prologue, periodic part and epilogue over one small table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from patch_scheduler import Event

MAX_PERIOD = 32
MAX_EVENTS = (1 << 16) - 1
"""Of a loop, which are counted in uint16 on the device."""


@dataclass(frozen=True)
class Loop:
    """`events`, `repeat` times, of at most `block[i]` steps; in each repetition event i starts `advance[i]` steps further on."""

    events: tuple[Event, ...]
    block: tuple[int, ...]
    advance: tuple[int, ...]
    repeat: int

    def followed_by(self, other: Loop) -> Loop:
        """This and another that runs as often, as one."""
        return Loop(self.events + other.events, self.block + other.block, self.advance + other.advance, self.repeat)


def fold(events: Sequence[Event], steps: Sequence[int], block: Sequence[int]) -> list[Loop]:
    """Loops that replay exactly `events`; `steps[i]` and `block[i]` are operator i's steps and steps per event.

    Greedy: at each position the period that covers most events wins, the shorter one where two cover the same.
    """
    loops: list[Loop] = []
    position = 0
    while position < len(events):
        loop = max(_candidates(events, position, steps, block), key=lambda c: (len(c.events) * c.repeat, -len(c.events)))
        position += len(loop.events) * loop.repeat
        if loops and loop.repeat == loops[-1].repeat == 1 and len(loops[-1].events) < MAX_EVENTS:
            loop = loops.pop().followed_by(loop)
        loops.append(loop)
    return loops


def _candidates(events: Sequence[Event], start: int, steps: Sequence[int], block: Sequence[int]) -> list[Loop]:
    found = [_repeat(events, start, 1, steps, block)]
    for period in range(2, min(MAX_PERIOD, len(events) - start) + 1):
        loop = _repeat(events, start, period, steps, block)
        if loop.repeat > 1:
            found.append(loop)
    return found


def _repeat(events: Sequence[Event], start: int, period: int, steps: Sequence[int], block: Sequence[int]) -> Loop:
    body = tuple(events[start : start + period])
    following = events[start + period : start + 2 * period]
    advance = tuple(b.first - a.first if a.operator == b.operator else 0 for a, b in zip(body, following, strict=False))
    advance += (0,) * (period - len(advance))
    repeat = 1
    while all(
        position < len(events) and events[position] == _shifted(event, step * repeat, steps, block)
        for position, event, step in zip(
            range(start + repeat * period, start + (repeat + 1) * period), body, advance, strict=True
        )
    ):
        repeat += 1
    return Loop(body, tuple(_length(event, steps, block) for event in body), advance if repeat > 1 else (0,) * period, repeat)


def _length(event: Event, steps: Sequence[int], block: Sequence[int]) -> int:
    """The steps of an event, or of a whole block where the operator's last step cuts it short."""
    return block[event.operator] if event.last == steps[event.operator] else event.last - event.first


def _shifted(event: Event, distance: int, steps: Sequence[int], block: Sequence[int]) -> Event:
    """What the device runs for this table entry when its first step has moved by `distance`."""
    first = event.first + distance
    return Event(event.operator, first, min(first + _length(event, steps, block), steps[event.operator]))
