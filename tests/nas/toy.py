"""A space with something of everything that trains in seconds, and pictures that a small network can tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas import space
from nas.space import Space

TOML = """
description = "for tests"
resolutions = [8, 12]
input_channels = 1
widths = [0.5, 1.0]
block_widths = [0.5, 1.0]
divisor = 4
classes = 3

[stem]
channels = 8
stride = 1

[[stages]]
channels = 8
depths = [1]
kernels = [3]
expansions = [1]

[[stages]]
channels = 16
stride = 2
depths = [1, 2]
kernels = [3, 5]
expansions = [2, 3]

[head]
channels = 16
"""


def toy_space(folder: Path) -> Space:
    """The space."""
    path = folder / "toy.toml"
    path.write_text(TOML)
    return space.load(str(path))


def pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [count, 12, 12, 1] with a stripe upright, level or slanting in noise, and which it is."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 100, (count, 12, 12, 1)), rng.integers(0, 3, count)
    lines = np.arange(12)
    for picture, label, place in zip(x, y, rng.integers(2, 10, count), strict=True):
        rows, columns = ((lines, place), (place, lines), (lines, (lines + place) % 12))[label]
        picture[rows, columns, 0] = 255
    return x.astype(np.uint8), y.astype(np.uint8)
