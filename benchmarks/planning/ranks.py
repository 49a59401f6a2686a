"""Spearman's rank correlation, which asks only whether two measures put networks into the same order."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Equal values share the mean of their places."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], np.float64)


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """1 where both order all pairs alike."""
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])
