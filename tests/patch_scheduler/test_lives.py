"""Row lives, live bytes and the lower bound, against hand-made cases and a naive count."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patch_scheduler import (
    Access,
    Network,
    Operator,
    Schedule,
    Tensor,
    each,
    layer_by_layer,
    live_bytes,
    lower_bound,
    schedule_layers,
    window,
)
from patch_scheduler.demand import streamed
from patch_scheduler.lives import expand, lives, moment_bytes, replaceable
from patch_scheduler.peaks import Peaks, blocks
from tests.patch_scheduler.random_networks import random_network

Row = tuple[int, int]


def chain(in_place: bool = False, **more: Any) -> Network:
    """Four rows of ten bytes, copied row by row."""
    copy = Operator("copy", (Access(0, each(4), in_place),), (Access(1, each(4)),), 4, **more)
    return Network((Tensor("a", 4, 10), Tensor("b", 4, 10)), (copy,), (0,), (1,))


def forward(network: Network, block: int = 1) -> Schedule:
    return layer_by_layer(network, (block,) * len(network.operators), (False,) * len(network.operators))


def naive_moments(network: Network, schedule: Schedule) -> list[int]:
    """Live bytes per moment, counted row by row from the definition."""
    written: dict[Row, int] = {}
    needed: dict[Row, int] = {}
    end = len(schedule.events)
    for tensor in network.inputs:
        written |= {(tensor, row): -1 for row in range(network.tensors[tensor].rows)}
    for moment, event in enumerate(schedule.events):
        operator = network.operators[event.operator]
        for step in range(event.first, event.last):
            for a in operator.writes:
                for row in range(a.ranges.low[step], a.ranges.high[step]):
                    written.setdefault((a.tensor, row), moment)
            for a in operator.reads:
                needed |= {(a.tensor, row): moment for row in range(a.ranges.low[step], a.ranges.high[step])}
    needed |= {(tensor, row): end for tensor in network.outputs for row in range(network.tensors[tensor].rows)}
    size = {row: network.tensors[row[0]].row_bytes for row in written}
    total = []
    for moment in range(-1, end + 1):
        alive = [row for row in written if written[row] <= moment <= max(needed.get(row, -1), written[row])]
        count = sum(size[row] for row in alive)
        for index, operator in enumerate(network.operators):
            mine = [m for m, event in enumerate(schedule.events) if event.operator == index]
            count += operator.state * (mine[0] <= moment <= mine[-1])
            if moment in mine:
                event = schedule.events[moment]
                count += operator.scratch + operator.scratch_per_step * (event.last - event.first)
                into = replaceable(operator)
                dying = sum(size[row] for row in alive if row[0] in into and needed.get(row) == moment)
                born = sum(size[row] for row in alive if written[row] == moment)
                count -= min(dying, born) if into else 0
        total.append(count)
    return total


def test_expand() -> None:
    values, owner = expand(np.array([3, 5, 5]), np.array([5, 5, 7]))
    assert values.tolist() == [3, 4, 5, 6]
    assert owner.tolist() == [0, 0, 2, 2]


def test_a_row_lives_from_its_write_to_its_last_read() -> None:
    conv = Operator("conv", (Access(0, window(2, 4, 3, 2, 1, 1)),), (Access(1, each(2)),), 2)
    network = Network((Tensor("a", 4, 1), Tensor("b", 2, 1)), (conv,), (0,), (1,))
    life = lives(network, forward(network).events)
    assert life.death[0].tolist() == [0, 1, 1, 1]
    assert life.birth[1].tolist() == [0, 1]
    assert life.death[1].tolist() == [2, 2]


def test_an_unread_row_dies_where_it_is_born() -> None:
    narrow = Operator("narrow", (Access(0, window(2, 4, 1, 2, 1, 0)),), (Access(1, each(2)),), 2)
    network = Network((Tensor("a", 4, 1), Tensor("b", 2, 1)), (narrow,), (0,), (1,))
    assert lives(network, forward(network).events).death[0].tolist() == [0, -1, 1, -1]


def test_rows_read_and_written_live_together_unless_in_place() -> None:
    assert live_bytes(chain(), forward(chain())).tolist() == [50, 50, 50, 50]
    assert live_bytes(chain(True), forward(chain(True))).tolist() == [40, 40, 40, 40]
    assert lower_bound(chain(), forward(chain(), 4)) == 80


def test_work_memory_counts() -> None:
    network = chain(scratch=3, scratch_per_step=2, state=100)
    assert live_bytes(network, forward(network)).tolist() == [155] * 4
    assert live_bytes(network, forward(network, 2)).tolist() == [40 + 20 + 3 + 4 + 100] * 2


def test_an_input_that_is_still_needed_shares_nothing() -> None:
    network = chain(True)
    network = Network(network.tensors, network.operators, network.inputs, (0, 1))
    assert live_bytes(network, forward(network)).tolist() == [50, 60, 70, 80]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 255))
def test_against_a_naive_count(seed: int, block: int, directions: int) -> None:
    network = random_network(seed, lags=False)
    turned = tuple(op.reversible and bool(directions >> i & 1) for i, op in enumerate(network.operators))
    schedule = layer_by_layer(network, (block,) * len(network.operators), turned)
    assert moment_bytes(network, schedule).tolist() == naive_moments(network, schedule)
    peaks = Peaks(network)
    assert peaks.peak(schedule) == lower_bound(network, schedule)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_lags_against_a_naive_count(seed: int, block: int) -> None:
    network = random_network(seed)
    schedule = streamed(network, [(0, len(network.operators))], (block,) * len(network.operators))
    assert moment_bytes(network, schedule).tolist() == naive_moments(network, schedule)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_the_bound_is_over_the_best_directions(seed: int, operators: int) -> None:
    network = random_network(seed, operators, lags=False)
    choices = product(*[(False, True) if operator.reversible else (False,) for operator in network.operators])
    single = (1,) * len(network.operators)
    best = min(lower_bound(network, layer_by_layer(network, single, turned)) for turned in choices)
    assert schedule_layers(network)[1].lower_bound == best


@pytest.mark.parametrize("steps", [1, 2, 7, 12, 97])
def test_blocks_fall_from_all_steps_to_one(steps: int) -> None:
    expected = sorted({-(-steps // events) for events in range(1, steps + 1)}, reverse=True)
    assert list(blocks(steps)) == expected
