"""The MFCC front end as C, for firmware."""

from __future__ import annotations

import numpy as np

from nas.data.mfcc import FULL_SCALE, Mfcc
from nas.tasks.c_files import header, kernel_headers, record, tables


def frontend_files(mfcc: Mfcc, prefix: str, scale: float, zero_point: int) -> dict[str, str]:
    """PREFIX_mfcc.h and .c, whose record `mcu_mfcc_clip` takes, for a network whose input has this scale and zero point."""
    multiplier, shift = mfcc.rescaling(scale)
    columns = [np.flatnonzero(column) for column in mfcc.filters.T]
    spans = [(int(bins[0]), int(bins[-1] - bins[0] + 1)) if bins.size else (1, 0) for bins in columns]
    weights = [mfcc.filters[first : first + count, f] for f, (first, count) in enumerate(spans)]
    arrays = {
        f"{prefix}_window": (mfcc.hann, np.int16),
        f"{prefix}_sines": (mfcc.sines, np.int32),
        f"{prefix}_filters": (np.array(spans), np.int16),
        f"{prefix}_filter_weights": (np.concatenate(weights), np.uint16),
        f"{prefix}_logarithms": (mfcc.logarithms, np.int32),
        f"{prefix}_cosines": (mfcc.cosines, np.int16),
    }
    fields = dict(zip(("window", "sines", "filters", "weights", "logarithms", "cosines"), arrays, strict=True)) | {
        "samples": mfcc.window,
        "stride": mfcc.stride,
        "frames": mfcc.frames,
        "fft": mfcc.fft,
        "bins": max(first + count - 1 for first, count in spans),
        "mel": mfcc.mel,
        "coefficients": mfcc.coefficients,
        "fraction": mfcc.dct_bits,
        "epsilon": mfcc.epsilon,
        "offset": mfcc.offset,
        "multiplier": multiplier,
        "shift": shift,
        "zero": zero_point,
    }
    name, upper = f"{prefix}_mfcc", prefix.upper()
    peak = f"mcu_mfcc_peak(clip, {upper}_MFCC_SAMPLES)" if mfcc.normalise else f"{FULL_SCALE}u"
    lines = [
        f"/* Features of a clip at {mfcc.rate} Hz, as the network takes them:",
        f"       mcu_mfcc_clip(&{name}, clip, {upper}_MFCC_PEAK(clip), scratch, {prefix}_input(0));",
        "   with int16_t clip[SAMPLES] and int32_t scratch[SCRATCH]; mcu_mfcc_frame computes one frame. */",
        f"#define {upper}_MFCC_SAMPLES {mfcc.samples}",
        f"#define {upper}_MFCC_SCRATCH {mfcc.fft + mfcc.mel}",
        f"#define {upper}_MFCC_PEAK(clip) ({peak})",
        "",
        f"extern const struct mcu_mfcc {name};",
    ]
    return {
        **kernel_headers("mcu_mfcc.h", "mcu_fixed_point.h"),
        f"{name}.h": header(f"{name}.h", ["mcu_mfcc.h"], lines),
        f"{name}.c": f'#include "{name}.h"\n\n{tables(arrays)}\n\n{record("mcu_mfcc", name, fields)}',
    }
