"""Simulates demand: to run a step, an operator first asks its producers for the rows it reads; gives the canonical event list."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator, Sequence

import numpy as np

from patch_scheduler.geometry import Network
from patch_scheduler.schedule import Event, Schedule, Stage, layers


def streamed(
    network: Network,
    stages: Sequence[Stage],
    block: Sequence[int],
    pace: Sequence[int] | None = None,
    leading: Container[Stage] = (),
) -> Schedule:
    """The schedule of the stages, all operators running from their first rows to their last.

    Operators ask for the rows of `pace[i]` steps at a time, `block[i]` by default, and run them in events of at most `block[i]`.
    Operators of `leading` stages begin with leads: see `_Stage`.
    """
    events = stream(network, stages, block if pace is None else pace, leading)
    if pace is not None:
        events = tuple(part for event in events for part in _parts(event, block[event.operator]))
    return Schedule(events, tuple(block), (False,) * len(block), tuple(stages))


def _parts(event: Event, block: int) -> Iterator[Event]:
    for first in range(event.first, event.last, block):
        yield Event(event.operator, first, min(first + block, event.last))


def in_order(network: Network, block: Sequence[int]) -> Schedule:
    """Layer by layer; operators that read nothing, whose rows the application supplies, run when they are asked."""
    count = len(network.operators)
    stage = _Stage(network, (0, count), block, ask_for_all=False)
    waiting = [index for index, operator in enumerate(network.operators) if not operator.reads]
    for index in [*(index for index in range(count) if index not in waiting), *waiting]:
        stage.finish(index)
    return Schedule(tuple(stage.events), tuple(block), (False,) * count, layers(network))


def stream(network: Network, stages: Sequence[Stage], block: Sequence[int], leading: Container[Stage] = ()) -> tuple[Event, ...]:
    """Every stage finishes before the next begins; inside a stage rows are computed when they are asked for, each once.

    The sinks of a stage, some of whose outputs nobody in it reads, advance in proportion to their steps, ties in graph order.
    """
    events: list[Event] = []
    for stage in stages:
        events += _Stage(network, stage, block, lead=stage in leading).run()
    return tuple(events)


class _Stage:
    """The progress of one stage's operators."""

    def __init__(
        self, network: Network, stage: Stage, block: Sequence[int], ask_for_all: bool = True, lead: bool = False
    ) -> None:
        """`ask_for_all`: an operator's last step sees to rows that nobody needs, while inputs live.

        `lead`: an operator's first event has only those steps of a block whose rows are there once the first one's are. Windows
        need rows beyond their own, and without this would wait for rows that their consumers do not need for long.
        """
        self.block, self.lead = block, lead
        self.members = range(*stage)
        self.steps = {index: network.operators[index].steps for index in self.members}
        self.done = dict.fromkeys(self.members, 0)
        writes = [(write, index) for index in self.members for write in network.operators[index].writes]
        self.producer = {write.tensor: index for write, index in writes}
        # Plain lists: rows of each tensor that exist after every number of steps, and the rows that each step needs.
        self.rows = {write.tensor: [0, *np.maximum.accumulate(write.ranges.high).tolist()] for write, _ in writes}
        self.needs: dict[int, list[tuple[int, list[int]]]] = {index: [] for index in self.members}
        for index in self.members:
            for read in network.operators[index].reads:
                if read.tensor in self.producer:
                    high = np.where(read.ranges.high > read.ranges.low, read.ranges.high, 0).tolist()
                    if ask_for_all:
                        high[-1] = self.rows[read.tensor][-1]
                    self.needs[index].append((read.tensor, high))
        self.events: list[Event] = []

    def run(self) -> list[Event]:
        read = {tensor for needs in self.needs.values() for tensor, _ in needs}
        open_ = sorted({index for tensor, index in self.producer.items() if tensor not in read})
        while open_:
            self._ask(min(open_, key=lambda index: (self.done[index] / self.steps[index], index)))
            open_ = [index for index in open_ if self.done[index] < self.steps[index]]
        return self.events

    def finish(self, index: int) -> None:
        """Runs what is left of one operator."""
        while self.done[index] < self.steps[index]:
            self._ask(index)

    def _ask(self, wanted: int) -> None:
        """Runs one event of `wanted` after all that it needs; a stack instead of recursion, for deep networks."""
        stack = [wanted]
        while stack:
            index = stack[-1]
            first = self.done[index]
            last = min(first + self.block[index], self.steps[index])
            leads = self.lead and first == 0
            missing = self._missing(index, first, 1 if leads else last)
            if missing is not None:
                stack.append(missing)
                continue
            if leads:
                last = 1 + bisect_left(range(2, last + 1), True, key=lambda end: self._missing(index, 0, end) is not None)
            self.events.append(Event(index, first, last))
            self.done[index] = last
            stack.pop()

    def _missing(self, index: int, first: int, last: int) -> int | None:
        """The first producer that has not yet made all rows that the steps [first, last) need."""
        for tensor, high in self.needs[index]:
            producer = self.producer[tensor]
            if self.rows[tensor][self.done[producer]] < max(high[first:last]):
                return producer
        return None
