"""The rows that a window of "same" padding needs, as tables by number of steps: worked out once per height, kernel and stride."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from patch_scheduler.geometry import Int, window


@lru_cache(maxsize=4096)
def tables(height: int, kernel: int, stride: int) -> tuple[Int, Int, Int]:
    """(need, gone, ready): rows that `n` steps need, rows that nobody needs after them, steps that `m` rows permit.

    The last step sees to rows that no window reaches, and leaves none behind.
    """
    steps = -(-height // stride)
    before = max((steps - 1) * stride + kernel - height, 0) // 2
    ranges = window(steps, height, kernel, stride, 1, before)
    need = np.concatenate(([0], ranges.high))
    gone = np.concatenate((ranges.low, [height]))
    need[-1] = height
    return need, gone, np.searchsorted(need[1:], np.arange(height + 1), side="right")


@lru_cache(maxsize=1024)
def stacked(height: int, kernels: tuple[int, ...], stride: int) -> tuple[Int, Int, Int]:
    """The tables of several kernels, one column each."""
    need, gone, ready = zip(*(tables(height, kernel, stride) for kernel in kernels), strict=True)
    return np.stack(need, 1), np.stack(gone, 1), np.stack(ready, 1)
