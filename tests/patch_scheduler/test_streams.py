"""Streams compute the same, each row once, in the bytes that DESIGN.md's reference points name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_scheduler import (
    Access,
    InvalidPlan,
    Network,
    Operator,
    Plan,
    Schedule,
    Stage,
    Tensor,
    each,
    layer_by_layer,
    lower_bound,
    plan_rows,
    streamed,
    validate,
    whole,
    window,
)
from patch_scheduler.cuts import Float, StagePeaks, cheapest, least_peak
from patch_scheduler.geometry import Int
from patch_scheduler.lengthen import shorten
from patch_scheduler.lives import lives
from patch_scheduler.units import dense_tensors, in_place, units
from tests.patch_scheduler.networks import REALISTIC, ds_cnn, mobilenet_v1, mobilenet_v2, resnet8
from tests.patch_scheduler.random_networks import random_network
from tests.patch_scheduler.simulator import Results, Simulator, separate


def pulled(network: Network) -> Network:
    """The same network with an operator that supplies the rows of its first input."""
    image, rows = network.inputs[0], network.tensors[network.inputs[0]].rows
    source = Operator("source", (), (Access(image, each(rows)),), rows, reversible=False)
    return Network(network.tensors, (source, *network.operators), network.inputs[1:], network.outputs)


def with_dense(network: Network, random: Random) -> Network:
    """Some kernels address several rows from one pointer."""

    def some(accesses: tuple[Access, ...]) -> tuple[Access, ...]:
        return tuple(replace(access, dense=random.random() < 0.15) for access in accesses)

    operators = (replace(op, reads=some(op.reads), writes=some(op.writes)) for op in network.operators)
    return replace(network, operators=tuple(operators))


def random_stages(count: int, random: Random) -> tuple[Stage, ...]:
    cuts = sorted(random.sample(range(1, count), random.randint(0, count - 1))) if random.random() < 0.6 else []
    return tuple(pairwise([0, *cuts, count]))


def random_stream(seed: int, choice: int) -> tuple[Network, Schedule]:
    random = Random(choice)
    network = with_dense(random_network(seed), random)
    if random.random() < 0.3:
        network = pulled(network)
    stages = random_stages(len(network.operators), random)
    longest = random.choice((1, 1, 2, 3, 8))
    return network, streamed(network, stages, [random.randint(1, longest) for _ in network.operators])


def results(network: Network) -> Results:
    reference = layer_by_layer(network, (1,) * len(network.operators), (False,) * len(network.operators))
    expected = Simulator(network, separate(network, reference), 1).run(reference.events)
    assert expected is not None
    return expected


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_random_streams_compute_what_they_should(seed: int, choice: int) -> None:
    network, schedule = random_stream(seed, choice)
    found = plan_rows(network, schedule)
    validate(network, schedule, found)
    assert found.arena >= found.lower_bound == lower_bound(network, schedule)
    assert Simulator(network, found, 2).run(schedule.events) == results(network)
    for tensor in dense_tensors(network):
        assert tensor not in found.rows


def moved_row(plan: Plan, network: Network, random: Random) -> Plan:
    """One row elsewhere: by a few bytes, or to where another one lies."""
    rows = {t: list(plan.rows.get(t, (plan.tensors[t] + r * what.row_bytes for r in range(what.rows))))
            for t, what in enumerate(network.tensors)}  # fmt: skip
    tensor = random.choice(sorted(rows))
    row = random.randrange(len(rows[tensor]))
    rows[tensor][row] = random.choice(
        (rows[tensor][row] + random.choice((-8, -4, -2, -1, 1, 2, 4, 8)), random.choice(rows[random.choice(sorted(rows))]))
    )
    first = tuple(rows[t][0] for t in range(len(network.tensors)))
    return replace(plan, tensors=first, rows={**plan.rows, tensor: tuple(rows[tensor])}, arena=plan.arena + random.choice((0, 8)))


def accepted(network: Network, schedule: Schedule, plan: Plan) -> bool:
    try:
        validate(network, schedule, plan)
    except InvalidPlan:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_moved_rows_are_refused_exactly_where_results_change(seed: int, choice: int) -> None:
    network, schedule = random_stream(seed, choice)
    plan, random = plan_rows(network, schedule, effort=0), Random(choice)
    expected, dense = results(network), dense_tensors(network)
    for _ in range(8):
        moved = moved_row(plan, network, random)
        right = Simulator(network, moved, 2).run(schedule.events) == expected
        assert right or not accepted(network, schedule, moved)
        strict = dense & set(moved.rows) or any(op.name.startswith("narrow") for op in network.operators)
        assert strict or accepted(network, schedule, moved) == right


def chain(in_place: bool) -> Network:
    """Six rows of eight bytes, changed row by row, then read in windows of three."""
    change = Operator("change", (Access(0, each(6), in_place),), (Access(1, each(6)),), 6)
    conv = Operator("conv", (Access(1, window(6, 6, 3, 1, 1, 1)),), (Access(2, each(6)),), 6)
    end = Operator("end", (Access(2, whole(1, 6)),), (Access(3, whole(1, 1)),), 1)
    return Network(tuple(Tensor(f"t{i}", 1 if i == 3 else 6, 8) for i in range(4)), (change, conv, end), (0,), (3,))


def test_rows_that_die_make_room_at_once() -> None:
    network = chain(True)
    schedule = streamed(network, [(0, 3)], (1, 1, 1))
    assert [event.operator for event in schedule.events] == [0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 2]
    found = plan_rows(network, schedule)
    validate(network, schedule, found)
    assert found.arena == found.lower_bound == 8 * 8


def test_in_place_rows_share_exactly() -> None:
    network = chain(True)
    schedule = streamed(network, [(0, 3)], (2, 2, 1))
    life = lives(network, schedule.events)
    shared = in_place(network, schedule, units(network, schedule, life, range(4)))
    assert shared
    found = plan_rows(network, schedule)
    validate(network, schedule, found)
    up = {tensor: tuple(offset + 8 for offset in rows) for tensor, rows in found.rows.items() if tensor == 1}
    worse = replace(found, rows={**found.rows, **up}, tensors=tuple(up.get(t, (o,))[0] for t, o in enumerate(found.tensors)))
    assert not accepted(network, schedule, worse)


def windows(count: int, rows: int, lag: int | None = None) -> Network:
    """A chain of windows of three rows."""
    reads = window(rows, rows, 3, 1, 1, 1)
    operators = (Operator(f"o{i}", (Access(i, reads, lag=lag),), (Access(i + 1, each(rows)),), rows) for i in range(count))
    return Network(tuple(Tensor(f"t{i}", rows, 8) for i in range(count + 1)), tuple(operators), (0,), (count,))


def test_leads_keep_operators_in_step() -> None:
    """At a pace of three rows, every operator follows the one before it by a row, so that only windows wait."""
    network = windows(3, 9)
    network = replace(network, tensors=tuple(replace(t, row_bytes=1 if t.name in ("t0", "t3") else 8) for t in network.tensors))
    schedule = streamed(network, [(0, 3)], (3, 3, 3), leading=[(0, 3)])
    events = [(event.operator, event.first, event.last) for event in schedule.events]
    assert events[:6] == [(0, 0, 3), (1, 0, 2), (2, 0, 1), (0, 3, 6), (1, 2, 5), (2, 1, 4)]
    assert lower_bound(network, schedule) < lower_bound(network, streamed(network, [(0, 3)], (3, 3, 3)))
    divided = streamed(network, [(0, 3)], (3, 2, 3), (3, 3, 3), [(0, 3)])
    assert [(e.first, e.last) for e in divided.events if e.operator == 1] == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 8), (8, 9)]
    validate(network, divided, plan_rows(network, divided))


def test_blocks_are_as_long_as_the_limit_permits() -> None:
    network = windows(3, 12)
    whole_, tight = (shorten(network, (0, 3), (3, 3, 3), limit) for limit in (1 << 20, 0))
    assert whole_ == (3, 3, 3)
    assert tight is None
    peak = lower_bound(network, streamed(network, [(0, 3)], (3, 3, 3), leading=[(0, 3)]))
    fitted = shorten(network, (0, 3), (3, 3, 3), peak - 1)
    assert fitted is not None
    assert fitted < (3, 3, 3)
    assert lower_bound(network, streamed(network, [(0, 3)], fitted, (3, 3, 3), [(0, 3)])) < peak


@pytest.mark.parametrize("block", [1, 3])
def test_rows_over_the_row_above(block: int) -> None:
    """What a window reads last makes room for its own row; rows a little off are refused."""
    apart, lagging = windows(4, 9), windows(4, 9, lag=1)
    schedule = streamed(lagging, [(0, 4)], (block,) * 4, leading=[(0, 4)])
    assert lower_bound(lagging, schedule) < lower_bound(apart, schedule)
    found = plan_rows(lagging, schedule)
    validate(lagging, schedule, found)
    assert not accepted(apart, schedule, found)
    assert Simulator(lagging, found, 2).run(schedule.events) == results(lagging)


@pytest.mark.parametrize(
    ("make", "whole_input", "pulled_input"),
    [
        (mobilenet_v1, 28032, 10272),
        (mobilenet_v2, 190624, 102368),  # adds in place: a little less
        (resnet8, 10688, 9152),
        (ds_cnn, 3886, 3536),
    ],
)
def test_reference_points(make: Callable[..., Network], whole_input: int, pulled_input: int) -> None:
    for network, wanted in [(make(scratch=False), whole_input), (pulled(make(scratch=False)), pulled_input)]:
        peak = least_peak(StagePeaks(network).peak)
        assert 0.96 * wanted < peak <= wanted


def fusion(peak: Int) -> Float:
    """Operators fused, by stage."""
    index = np.arange(len(peak), dtype=np.float64)
    return index - index[:, None] - 1


@pytest.mark.parametrize("name", REALISTIC)
def test_peaks_of_stages_are_those_of_the_schedule(name: str) -> None:
    network = REALISTIC[name]()
    peaks = StagePeaks(network)
    least = least_peak(peaks.peak)
    for limit in (least, 2 * least):
        stages = cheapest(peaks.peak, fusion(peaks.peak), limit)
        assert [stage[0] for stage in stages[1:]] == [stage[1] for stage in stages[:-1]]
        schedule = streamed(network, stages, (1,) * len(network.operators))
        assert lower_bound(network, schedule) == max(peaks.peak[stage] for stage in stages) <= limit


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_peaks_of_random_networks(seed: int, choice: int) -> None:
    """Exact where one operator alone feeds what comes after each stage; else its rows may come in another order."""
    network, random = random_network(seed), Random(choice)
    block = [random.randint(1, random.choice((1, 3))) for _ in network.operators]
    peaks = StagePeaks(network, block)
    stages = random_stages(len(network.operators), random)
    schedule = streamed(network, stages, block)
    if all(_exits(network, stage) == 1 for stage in (*stages, (0, len(network.operators)))):
        edges = sum(network.tensors[t].size for t in network.inputs), sum(network.tensors[t].size for t in network.outputs)
        assert lower_bound(network, schedule) == max(*edges, *(peaks.peak[stage] for stage in stages))


def _exits(network: Network, stage: Stage) -> int:
    """Operators of a stage of which an output is read outside it or nowhere."""
    inside = {access.tensor for op in network.operators[slice(*stage)] for access in op.reads}
    others = (*network.operators[: stage[0]], *network.operators[stage[1] :])
    outside = {access.tensor for op in others for access in op.reads}
    return sum(any(w.tensor in outside or w.tensor not in inside for w in op.writes) for op in network.operators[slice(*stage)])


@pytest.mark.parametrize("name", REALISTIC)
def test_rows_of_realistic_networks_lie_near_the_bound(name: str) -> None:
    for network in (REALISTIC[name](), pulled(REALISTIC[name]())):
        peaks = StagePeaks(network)
        stages = cheapest(peaks.peak, fusion(peaks.peak), least_peak(peaks.peak))
        schedule = streamed(network, stages, (1,) * len(network.operators))
        found = plan_rows(network, schedule)
        validate(network, schedule, found)
        assert found.arena <= 1.1 * found.lower_bound
