"""Simulates demand: to run a step, an operator first asks its producers for the rows it reads; gives the canonical event list."""

from __future__ import annotations

from collections.abc import Sequence

from patch_scheduler.geometry import Network
from patch_scheduler.schedule import Event

Stage = tuple[int, int]
"""Operators [first, last) of the network's order."""


def stream(network: Network, stages: Sequence[Stage], block: Sequence[int]) -> tuple[Event, ...]:
    """Every stage finishes before the next begins; inside a stage rows are computed when they are asked for, each once.

    The sinks of a stage, whose rows nobody in it reads, advance in proportion to their steps, ties in graph order.
    """
    events: list[Event] = []
    for stage in stages:
        events += _Stage(network, stage, block).run()
    return tuple(events)


class _Stage:
    """The progress of one stage's operators."""

    def __init__(self, network: Network, stage: Stage, block: Sequence[int]) -> None:
        self.network, self.block = network, block
        self.members = range(*stage)
        self.done = dict.fromkeys(self.members, 0)
        self.producer = {write.tensor: index for index in self.members for write in network.operators[index].writes}
        # Rows of each tensor that exist after every number of steps, and the rows that each step needs, as plain lists.
        self.rows = {
            write.tensor: [0, *write.ranges.high.tolist()] for index in self.members for write in network.operators[index].writes
        }
        self.needs = {
            index: [
                (read.tensor, read.ranges.high.tolist())
                for read in network.operators[index].reads
                if read.tensor in self.producer
            ]
            for index in self.members
        }
        self.events: list[Event] = []

    def run(self) -> list[Event]:
        read = {access.tensor for index in self.members for access in self.network.operators[index].reads}
        sinks = [
            index for index in self.members if not any(write.tensor in read for write in self.network.operators[index].writes)
        ]
        while True:
            open_ = [index for index in sinks if self.done[index] < self.network.operators[index].steps]
            if not open_:
                break
            self._ask(min(open_, key=lambda index: (self.done[index] / self.network.operators[index].steps, index)))
        for index in self.members:  # rows that nobody needs
            while self.done[index] < self.network.operators[index].steps:
                self._ask(index)
        return self.events

    def _ask(self, wanted: int) -> None:
        """Runs one event of `wanted` after all that it needs; a stack instead of recursion, for deep networks."""
        stack = [wanted]
        while stack:
            index = stack[-1]
            first = self.done[index]
            last = min(first + self.block[index], self.network.operators[index].steps)
            missing = self._missing(index, last)
            if missing is not None:
                stack.append(missing)
                continue
            self.events.append(Event(index, first, last))
            self.done[index] = last
            stack.pop()

    def _missing(self, index: int, last: int) -> int | None:
        """The first producer that has not yet made all rows that the steps before `last` need."""
        for tensor, high in self.needs[index]:
            producer = self.producer[tensor]
            if self.rows[tensor][self.done[producer]] < max(high[self.done[index] : last]):
                return producer
        return None
