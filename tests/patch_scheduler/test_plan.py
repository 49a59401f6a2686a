"""Plans of realistic networks are at the lower bound; plans of random ones are right, and minimal where they say so."""

from __future__ import annotations

import time
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_scheduler import (
    Access,
    Network,
    Operator,
    Tensor,
    each,
    layer_by_layer,
    lower_bound,
    plan,
    schedule_layers,
    validate,
    window,
)
from patch_scheduler.exact import Exhausted, decide
from patch_scheduler.search import EITHER, FORWARD, Pair, Placement, Problem, first_fit, fit
from tests.patch_scheduler.networks import REALISTIC, mcunet, mobilenet_v1
from tests.patch_scheduler.random_networks import random_network
from tests.patch_scheduler.simulator import Simulator, separate


@pytest.mark.parametrize("scratch", [False, True])
@pytest.mark.parametrize("name", REALISTIC)
def test_realistic_networks_are_at_the_lower_bound(name: str, scratch: bool) -> None:
    network = REALISTIC[name](scratch=scratch)
    schedule, found = schedule_layers(network)
    validate(network, schedule, found)
    assert found.arena == found.lower_bound
    assert found.optimal
    assert lower_bound(network, schedule) == found.arena
    # Even without the choice of directions the planner keeps what the schedule allows.
    assert plan(network, schedule).arena == found.arena


@pytest.mark.parametrize(("width", "height"), [(0.25, 96), (0.5, 128), (1.0, 224), (0.75, 50)])
def test_other_widths_and_sizes(width: float, height: int) -> None:
    found = schedule_layers(mobilenet_v1(height, width))[1]
    assert found.arena == found.lower_bound


def test_a_chain_ping_pongs_between_both_ends() -> None:
    """Three large maps: each conv needs its input and output but for what overlaps diagonally, in turned direction."""
    conv = window(20, 20, 3, 1, 1, 1)
    operators = tuple(Operator(f"conv{i}", (Access(i, conv),), (Access(i + 1, each(20)),), 20) for i in range(5))
    network = Network(tuple(Tensor(f"t{i}", 20, 100) for i in range(6)), operators, (0,), (5,))
    schedule, found = schedule_layers(network)
    validate(network, schedule, found)
    assert found.arena == found.lower_bound == 2200
    assert 0 < sum(schedule.reverse) < 5


def test_large_blocks_where_memory_allows() -> None:
    schedule, _ = schedule_layers(mcunet())
    steps = [operator.steps for operator in mcunet().operators]
    whole = sum(block == count for block, count in zip(schedule.block, steps, strict=True))
    assert whole > len(steps) * 0.8


def test_a_limit_is_spent_on_longer_blocks() -> None:
    network = mcunet()
    tight, least = schedule_layers(network)
    limit = least.arena * 2
    loose, found = schedule_layers(network, limit)
    validate(network, loose, found)
    assert least.arena <= found.arena <= limit
    assert len(loose.events) < len(tight.events)
    assert found.lower_bound == max(lower_bound(network, loose), least.lower_bound)


def test_an_impossible_limit_gives_the_smallest_plan() -> None:
    network = mcunet()
    assert schedule_layers(network, 1000)[1].arena == schedule_layers(network)[1].arena


def test_time_and_repeatability() -> None:
    network = mcunet(176, widen=2)
    start = time.process_time()
    schedule, found = schedule_layers(network)
    planned = time.process_time()
    validate(network, schedule, found)
    assert planned - start < 0.5
    assert time.process_time() - planned < 0.15
    assert schedule_layers(network) == (schedule, found)


def test_many_operators() -> None:
    network = mcunet(176, deepen=2)
    assert len(network.operators) > 130
    start = time.process_time()
    schedule, found = schedule_layers(network)
    assert time.process_time() - start < 0.5
    validate(network, schedule, found)
    assert found.arena == found.lower_bound


def test_a_hopelessly_entangled_network_still_ends_soon() -> None:
    network = random_network(1, 130)
    start = time.process_time()
    schedule, found = schedule_layers(network)
    assert time.process_time() - start < 3
    validate(network, schedule, found)
    assert found.arena < 1.1 * found.lower_bound


def test_no_operators() -> None:
    network = Network((Tensor("a", 2, 3),), (), (0,), (0,))
    schedule, found = schedule_layers(network)
    validate(network, schedule, found)
    assert found.arena == 6


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 0, 40, 80, 10**6]))
def test_random_networks_compute_what_they_should(seed: int, limit: int) -> None:
    network = random_network(seed)
    schedule, found = schedule_layers(network, limit or None, effort=300)
    validate(network, schedule, found)
    assert found.arena >= lower_bound(network, schedule)
    assert found.arena >= found.lower_bound
    reference = layer_by_layer(network, (1,) * len(network.operators), (False,) * len(network.operators))
    expected = Simulator(network, separate(network, reference), 1).run(reference.events)
    assert expected is not None
    assert Simulator(network, found, 2).run(schedule.events) == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 255))
def test_plans_of_given_schedules(seed: int, block: int, directions: int) -> None:
    network = random_network(seed)
    turned = tuple(op.reversible and bool(directions >> i & 1) for i, op in enumerate(network.operators))
    schedule = layer_by_layer(network, (block,) * len(network.operators), turned)
    found = plan(network, schedule, effort=300)
    validate(network, schedule, found)
    assert found.arena >= found.lower_bound == lower_bound(network, schedule)


def legal(task: Problem, offsets: tuple[int, ...]) -> bool:
    directions = dict(enumerate(task.directions))
    for pair in task.pairs:
        difference = offsets[pair.second] - offsets[pair.first]
        clear = [not low < difference < high for low, high in pair.spans]
        if pair.operator < 0:
            if not clear[0]:
                return False
        else:
            directions[pair.operator] &= clear[0] * 1 | clear[1] * 2
    return all(directions.values())


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    count = draw(st.integers(1, 4))
    size = [draw(st.integers(1, 5)) for _ in range(count)]
    operators = draw(st.integers(1, 2))
    pairs = []
    for first in range(count):
        for second in range(first + 1, count):
            operator = draw(st.integers(-2, operators - 1))
            spans = []
            for _ in range(2):
                low = draw(st.integers(-size[second], size[first]))
                spans.append((low, draw(st.integers(low, size[first]))))
            if operator < 0:
                operator, spans = -1, [spans[0]] * 2
            if any(high > low for low, high in spans):
                pairs.append(Pair(first, second, operator, (spans[0], spans[1])))
    alignment = [draw(st.sampled_from([1, 1, 2])) for _ in range(count)]
    directions = [draw(st.sampled_from([FORWARD, EITHER, EITHER])) for _ in range(operators)]
    return Problem(tuple(size), tuple(alignment), tuple(pairs), tuple(directions))


@settings(max_examples=150, deadline=None)
@given(problems(), st.integers(3, 9))
def test_searches_against_enumeration(task: Problem, arena: int) -> None:
    tops = [range(0, arena - size + 1, align) for size, align in zip(task.size, task.alignment, strict=True)]
    possible = any(legal(task, offsets) for offsets in product(*tops))
    try:
        exact = decide(task, arena, 2000)
    except Exhausted:
        pytest.fail("a problem this small must be decided")
    assert (exact is not None) == possible
    for found in (exact, fit(task, arena, 500), first_fit(task, range(len(task.size)))):
        if found:
            check(task, found)
    assert possible or fit(task, arena, 500) is None


def check(task: Problem, found: Placement) -> None:
    assert legal(task, found.offsets)
    assert all(offset % align == 0 for offset, align in zip(found.offsets, task.alignment, strict=True))
    assert found.arena == max(offset + size for offset, size in zip(found.offsets, task.size, strict=True))
    for pair in task.pairs:
        for direction in (0, 1):
            low, high = pair.spans[direction]
            if pair.operator >= 0 and found.directions[pair.operator] >> direction & 1:
                assert not low < found.offsets[pair.second] - found.offsets[pair.first] < high
