"""The requantisation of ops/portable/mcu_outputs.h against gemmlowp's two roundings: every shift, ties, extremes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from tflm_mcunet.codegen.emit import kernel_folder
from tflm_mcunet.execute.host import build_library, close_library
from tflm_mcunet.fixed_point import multiply
from tflm_mcunet.operators.convolution import ANY_SHIFT, MOST_SHIFT

LOOP = """
#include "mcu_outputs.h"
void outputs(int32_t count, const int32_t *values, int32_t multiplier, int32_t shift, int32_t zero, int8_t *out)
{
    int32_t i;
    for (i = 0; i < count; ++i) {
        out[i] = mcu_output(values[i], 7, multiplier, shift, zero);
    }
}
"""


def near_ties(rng: np.random.Generator, multiplier: int, shift: int) -> np.ndarray:
    """Accumulators whose scaled values lie around halves of small integers, and some of any magnitude below 2^30."""
    halves = (rng.integers(-260, 261, 400) * 2 + 1) * 2.0 ** (30 + shift) // max(abs(multiplier), 1)
    any_size = rng.integers(0, 1 << 30, 200) >> rng.integers(0, 30, 200)
    values = np.concatenate(
        [
            (np.clip(halves, -(1 << 30), 1 << 30).astype(np.int64)[:, None] + np.arange(-3, 4)).reshape(-1),
            any_size,
            -any_size,
            [0, 1, -1],
        ]
    )
    return np.clip(values, -(1 << 30) + 1, (1 << 30) - 1)


def test_fast_requantisation_is_gemmlowps(tmp_path: Path) -> None:
    (tmp_path / "loop.c").write_text(LOOP)
    folder = kernel_folder()
    library = build_library([tmp_path / "loop.c"], [folder / "portable", folder / "include"])
    rng = np.random.default_rng(1)
    try:
        for shift in range(-8, MOST_SHIFT + 9):
            any_multipliers = map(int, rng.integers(1 << 30, 1 << 31, 6) * [1, 1, 1, 1, 1, -1])
            for multiplier in (0, 1 << 30, (1 << 31) - 1, *any_multipliers):
                right = 0 <= shift <= MOST_SHIFT and multiplier >= 0
                values = near_ties(rng, multiplier, shift)
                zero = int(rng.integers(-128, 128))
                biased = (values - 7).astype(np.int32)
                out = np.empty(len(values), np.int8)
                library.outputs(
                    len(values),
                    biased.ctypes.data_as(ctypes.c_void_p),
                    multiplier,
                    shift if right else -shift - ANY_SHIFT,
                    zero,
                    out.ctypes.data_as(ctypes.c_void_p),
                )
                expected = np.clip(multiply(values, multiplier, -shift) + zero, -128, 127)
                assert (out == expected).all(), (shift, multiplier, zero)
    finally:
        close_library(library)
