"""Scratch may grow to the holes of a plan: the validator agrees, and not to a byte more where a hole ends at rows in use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from patch_scheduler import InvalidPlan, Network, Plan, Schedule, schedule, validate
from patch_scheduler.geometry import Access, Operator, Tensor, each
from patch_scheduler.holes import holes


def chain() -> tuple[Network, Schedule, Plan]:
    """Three operators on maps of eight rows of 16, 48, 32 and 8 bytes, layer by layer."""
    tensors = tuple(Tensor(f"t{index}", 8, size, 8) for index, size in enumerate((16, 48, 32, 8)))
    operators = tuple(
        Operator(f"op{index}", (Access(index, each(8)),), (Access(index + 1, each(8)),), 8, scratch=8) for index in range(3)
    )
    network = Network(tensors, operators, (0,), (3,))
    return network, *schedule(network, minimize="sram", mode="layer")


def grown(network: Network, plan: Plan, index: int, offset: int, size: int) -> tuple[Network, Plan]:
    """The network and the plan with another scratch of one operator."""
    operators = list(network.operators)
    operators[index] = replace(operators[index], scratch=size)
    bigger = replace(network, operators=tuple(operators))
    arena = max(plan.arena, offset + size)
    return bigger, replace(plan, scratch={**plan.scratch, index: offset}, arena=arena, lower_bound=0, optimal=False)


@pytest.mark.parametrize("further", [0, 100])
def test_holes_are_free_and_no_larger(further: int) -> None:
    network, how, plan = chain()
    limit = plan.arena + further
    found = holes(network, how, plan, limit)
    for index, hole in enumerate(found):
        assert hole.size >= 8
        validate(*_in_order(grown(network, plan, index, *hole), how))
        if hole.offset + hole.size < limit:
            with pytest.raises(InvalidPlan):
                validate(*_in_order(grown(network, plan, index, hole.offset, hole.size + 1), how))
        if hole.offset:
            with pytest.raises(InvalidPlan):
                validate(*_in_order(grown(network, plan, index, hole.offset - 8, hole.size + 8), how))


def _in_order(changed: tuple[Network, Plan], how: Schedule) -> tuple[Network, Schedule, Plan]:
    return changed[0], how, changed[1]
