"""The front door: what fits is found, what is found is right, and the search is quick."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_scheduler import (
    Access,
    Network,
    Operator,
    Tensor,
    default_cost,
    each,
    layer_by_layer,
    pareto,
    schedule,
    schedule_layers,
    total_cost,
    validate,
    window,
)
from patch_scheduler.builder import Builder
from patch_scheduler.choose import Aim, Mode
from tests.patch_scheduler.networks import REALISTIC, fpn, mcunet, mobilenet_v1, mobilenet_v2, resnet8
from tests.patch_scheduler.random_networks import random_network
from tests.patch_scheduler.simulator import Simulator
from tests.patch_scheduler.test_streams import pulled, results


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(("auto", "layer", "stream")),
    st.sampled_from(("latency", "sram", "flash")),
    st.sampled_from((None, 1, 40, 60, 80, 120, 10**6)),
)
def test_random_networks_compute_what_they_should(seed: int, mode: Mode, minimize: Aim, limit: int | None) -> None:
    network = random_network(seed)
    how, where = schedule(network, mode=mode, minimize=minimize, limit=limit)
    validate(network, how, where)
    assert where.arena >= where.lower_bound
    assert Simulator(network, where, 2).run(how.events) == results(network)
    assert all(event.last - event.first <= how.block[event.operator] for event in how.events)
    if any(how.reverse):
        assert layer_by_layer(network, how.block, how.reverse) == how


LARGE = ("mobilenet_v2", "mcunet_176")
EVERY = [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in REALISTIC]


@pytest.mark.parametrize("name", EVERY)
def test_streams_are_near_their_bound_and_within_limits(name: str) -> None:
    network = pulled(REALISTIC[name]())
    cost = default_cost(network)
    how, where = schedule(network, minimize="sram")
    validate(network, how, where)
    assert where.arena <= 1.05 * where.lower_bound
    assert where.arena < schedule_layers(network)[1].arena
    before = total_cost(how, cost)
    for factor in (1.25, 2):
        limit = int(factor * where.arena)
        looser, found = schedule(network, limit=limit)
        validate(network, looser, found)
        assert found.arena <= limit
        assert total_cost(looser, cost) <= before
        before = total_cost(looser, cost)


def test_what_cannot_fit_gives_the_least() -> None:
    network = mobilenet_v1()
    least = schedule(network, minimize="sram")[1]
    assert schedule(network, limit=1000)[1].arena == least.arena


def test_nothing_is_fused_without_need() -> None:
    network = mobilenet_v1()
    layers = schedule_layers(network)[1].arena
    how, where = schedule(network, limit=layers)
    assert all(last == first + 1 for first, last in how.stages)
    assert where.arena <= layers
    assert schedule(network) == schedule(network, mode="layer") == schedule_layers(network)
    tighter, found = schedule(network, limit=int(0.8 * layers))
    assert found.arena <= 0.8 * layers
    fused = [stage for stage in tighter.stages if stage[1] - stage[0] > 1]
    assert fused
    assert max(last for _, last in fused) <= 14  # early, where maps are large and weights few


def test_flash_fuses_few_rows() -> None:
    network = pulled(mcunet())
    limit = 20000
    flash, small = schedule(network, limit=limit, minimize="flash")
    assert small.arena <= limit
    validate(network, flash, small)
    fused = [i for first, last in flash.stages if last - first > 1 for i in range(first, last)]
    other = schedule(network, limit=limit)[0].stages
    rows = sum(network.operators[i].steps for i in fused)
    assert rows <= sum(network.operators[i].steps for first, last in other if last - first > 1 for i in range(first, last))


def test_a_cost_function_decides() -> None:
    """Where the first operators gain by being fused, they are."""
    network = pulled(mcunet())
    limit = int(schedule(network, minimize="sram")[1].arena * 1.5)
    how, _ = schedule(
        network, limit=limit, mode="stream", cost=lambda index, block, fused: float(fused and index > 8) - fused * 0.1
    )
    assert how.stages[0][1] > 1


@pytest.mark.parametrize("make", [lambda: pulled(mcunet()), fpn, mobilenet_v1])
def test_the_front_falls(make: Callable[[], Network]) -> None:
    network = make()
    front = pareto(network, points=3)
    assert len(front) > 2
    for arena, cost, how, where in front:
        validate(network, how, where)
        assert arena == where.arena
        assert cost == total_cost(how, default_cost(network))
    arenas, costs = [point[0] for point in front], [point[1] for point in front]
    assert arenas == sorted(set(arenas))
    assert costs == sorted(set(costs), reverse=True)
    assert arenas[0] == schedule(network, minimize="sram")[1].arena


@pytest.mark.parametrize("make", [lambda: pulled(mcunet(176, widen=2)), mobilenet_v2])
def test_time_and_repeatability(make: Callable[[], Network]) -> None:
    network = make()
    start = time.process_time()
    how, where = schedule(network, minimize="sram")
    planned = time.process_time()
    validate(network, how, where)
    assert planned - start < 3
    assert time.process_time() - planned < 0.15
    assert schedule(network, minimize="sram") == (how, where)


def test_no_operators() -> None:
    network = Network((Tensor("a", 2, 3),), (), (0,), (0,))
    for found in (schedule(network, minimize="sram"), schedule(network, mode="stream", limit=10), pareto(network)[0][2:]):
        validate(network, *found)
        assert found[1].arena == 6


def test_signals_of_many_rows_stream_in_blocks() -> None:
    rows = 8_000
    reads = window(rows, rows, 9, 1, 1, 4)
    operators = tuple(Operator(f"o{i}", (Access(i, reads),), (Access(i + 1, each(rows)),), rows) for i in range(3))
    network = Network(tuple(Tensor(f"t{i}", rows, 2) for i in range(4)), operators, (0,), (3,))
    start = time.process_time()
    how, where = schedule(network, mode="stream", minimize="sram")
    validate(network, how, where)
    assert len(how.events) < 10_000
    assert where.arena < 2 * network.tensors[0].size
    assert time.process_time() - start < 60  # 12 on a quiet machine; a row per event would take many minutes


@pytest.mark.parametrize("limited", [False, True])
def test_supplied_rows_wait_for_layers(limited: bool) -> None:
    """Layer by layer, a pulled image is never whole; blocks are longer where the limit permits."""
    build = Builder()
    network = build.network([], [build.pointwise(build.conv(build.source(96, 96, 3), 8, 3, 4), 16)])
    least = schedule(network, mode="layer", minimize="sram")
    assert least[1].arena < schedule_layers(network)[1].arena / 2
    how, where = schedule(network, mode="layer", limit=int(1.5 * least[1].arena)) if limited else least
    validate(network, how, where)
    assert all(last == first + 1 for first, last in how.stages)
    assert (max(how.block) > 1) == limited


def test_layers_in_short_blocks_give_way_to_streams() -> None:
    """Where layers fit only in short blocks, whose weights are fetched over and over, streams may be faster."""
    network = resnet8()
    cost = default_cost(network)
    layers, where = schedule(network, mode="layer", minimize="sram")
    limit = round(1.1 * where.arena)
    how, found = schedule(network, limit=limit)
    assert found.arena <= limit
    assert total_cost(how, cost) <= total_cost(layers, cost)
    for mode in ("layer", "stream"):
        assert total_cost(how, cost) <= total_cost(schedule(network, mode=mode, limit=limit)[0], cost)


@pytest.mark.parametrize("wrong", [{"mode": "patch"}, {"minimize": "time"}])
def test_what_is_no_mode_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="auto, layer, stream"):
        schedule(mobilenet_v1(), **wrong)  # type: ignore[arg-type]
