"""A schedule: how many steps each operator runs per event, in which direction, and in which order the events come."""

from __future__ import annotations

from dataclasses import dataclass

from patch_scheduler.geometry import Network

Stage = tuple[int, int]
"""Operators [first, last) of the network's order."""


@dataclass(frozen=True)
class Event:
    """Operator `operator` runs its steps [first, last): one entry of the canonical event list."""

    operator: int
    first: int
    last: int


@dataclass(frozen=True)
class Schedule:
    """The canonical event list, which planner, validator and emitter share, and how it was chosen.

    `block[i]` is the number of steps operator i runs per event (its last event may run fewer), and `reverse[i]` says
    that its blocks run from the last rows to the first. `stages` are the runs of operators between which tensors are
    whole; a stage of one operator is layer-by-layer, a longer one a stream. They only tell what the events are.
    """

    events: tuple[Event, ...]
    block: tuple[int, ...]
    reverse: tuple[bool, ...]
    stages: tuple[Stage, ...] = ()


def layers(network: Network) -> tuple[Stage, ...]:
    """Every operator is a stage of its own."""
    return tuple((index, index + 1) for index in range(len(network.operators)))


def layer_by_layer(network: Network, block: tuple[int, ...], reverse: tuple[bool, ...]) -> Schedule:
    """Every operator finishes before the next one starts."""
    events: list[Event] = []
    for index, operator in enumerate(network.operators):
        blocks = [
            Event(index, first, min(first + block[index], operator.steps)) for first in range(0, operator.steps, block[index])
        ]
        events.extend(reversed(blocks) if reverse[index] else blocks)
    return Schedule(tuple(events), block, reverse, layers(network))
