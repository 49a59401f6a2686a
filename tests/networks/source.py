"""Where random choices come from: a seeded generator for bulk runs, hypothesis for runs whose failures shrink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Source:
    """Draws integers; everything else is made of them. Small integers and first choices are the simple ones."""

    def integer(self, low: int, high: int) -> int:
        """An integer of [low, high], both included."""
        raise NotImplementedError

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        return self.integer(0, 99) >= 100 - percent

    def real(self, low: float, high: float) -> float:
        return low + (high - low) * self.integer(0, 1000) / 1000


class Seeded(Source):
    """Choices that follow from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))


class Shrinking(Source):
    """Choices that hypothesis makes, through the `data()` strategy."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def integer(self, low: int, high: int) -> int:
        return self._data.draw(st.integers(low, high))
