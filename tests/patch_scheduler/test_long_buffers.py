"""Conflicts of tensors with thousands of rows: the same hulls as pair by pair, without the memory."""

from __future__ import annotations

import time

import numpy as np
import pytest

from patch_scheduler import Access, Network, Operator, Tensor, conflicts, each, schedule_layers, validate, window


def random_buffer(rng: np.random.Generator) -> conflicts.Buffer:
    """Pieces that are born and die in the order of their addresses, or in the opposite order."""
    count = int(rng.integers(1, 9))
    birth = np.sort(rng.integers(0, 12, count))
    death = np.maximum.accumulate(np.maximum(np.sort(rng.integers(0, 14, count)), birth))
    order = slice(None, None, int(rng.choice([-1, 1])))
    size = rng.integers(1, 5, count)
    high = np.cumsum(size)
    return conflicts.Buffer("tensor", 0, int(high[-1]), 1, high - size, high, birth[order].copy(), death[order].copy())


def test_runs_give_the_hull_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        first, second = random_buffer(rng), random_buffer(rng)
        in_place = np.unique(rng.integers(0, 12, rng.integers(0, 4)))
        exact = conflicts._hull(first, second, in_place)
        with monkeypatch.context() as patch:
            patch.setattr(conflicts, "MANY_PAIRS", -1)
            assert conflicts._hull(first, second, in_place) == exact


def test_thirty_thousand_rows_are_planned_in_seconds() -> None:
    rows = 30_000
    tensors = tuple(Tensor(f"t{i}", rows, 2) for i in range(3))
    reads = window(rows, rows, 9, 1, 1, 4)
    operators = tuple(Operator(f"o{i}", (Access(i, reads),), (Access(i + 1, each(rows)),), rows) for i in range(2))
    network = Network(tensors, operators, (0,), (2,))
    start = time.perf_counter()
    schedule, plan = schedule_layers(network)
    validate(network, schedule, plan)
    assert plan.arena == plan.lower_bound
    assert time.perf_counter() - start < 20
