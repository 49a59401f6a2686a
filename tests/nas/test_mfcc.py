"""The MFCC front end: close to tf.signal, and the C the same as the Python, bit for bit."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from nas.data.mfcc import Mfcc
from nas.tasks.frontend import frontend_files
from tflm_mcunet.execute.host import build_library, close_library
from tflm_mcunet.graph import Array

SCALE, ZERO_POINT = 0.58470291, 83


def sounds(samples: int) -> dict[str, Array]:
    """Clips of int16 samples: noise, a falling tone over it, silence, single clicks, the loudest there is."""
    rng = np.random.default_rng(0)
    time = np.arange(samples) / 16000
    noise = rng.normal(0, 300, samples)
    tone = 8000 * np.sin(2 * np.pi * (900 * time - 300 * time**2)) * np.hanning(samples)
    click = np.zeros(samples)
    click[::5000] = 32767
    loudest = np.where(rng.random(samples) < 0.5, -32768, 32767)
    clips = {"noise": noise, "tone": tone + noise, "silence": 0 * time, "click": click, "loudest": loudest}
    clips["late"] = np.append(noise[:-1], 30000)  # behind the last frame
    return {name: np.clip(np.rint(clip), -32768, 32767).astype(np.int16) for name, clip in clips.items()}


def reference(mfcc: Mfcc, clip: Array) -> Array:
    """What tf.signal computes, as MLPerf Tiny's keyword spotting calls it."""
    tf = pytest.importorskip("tensorflow")
    peak = np.abs(clip.astype(np.float32)).max() if mfcc.normalise else np.float32(32768)
    wave = clip.astype(np.float32) / peak
    magnitudes = tf.abs(tf.signal.stft(wave, mfcc.window, mfcc.stride, window_fn=tf.signal.hann_window))
    edges = mfcc.low, mfcc.high
    filters = tf.signal.linear_to_mel_weight_matrix(mfcc.mel, magnitudes.shape[-1], mfcc.rate, *edges)
    logarithms = tf.math.log(magnitudes @ filters + 1e-6)
    return tf.signal.mfccs_from_log_mel_spectrograms(logarithms)[:, : mfcc.coefficients].numpy()


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("name", ["noise", "tone", "click", "loudest"])
def test_as_tf_signal(name: str, normalise: bool) -> None:
    mfcc = Mfcc(normalise=normalise)
    clip = sounds(16000)[name][: mfcc.samples]
    ours, theirs = mfcc.features(clip)[..., 0], reference(mfcc, clip)
    assert ours.shape == theirs.shape == (49, 10)
    assert np.abs(ours - theirs).max() < 0.01 * SCALE  # a hundredth of a step of the int8 input


def test_silence_is_finite() -> None:
    features = Mfcc().features(np.zeros(16000, np.int16))
    assert np.isfinite(features).all()
    assert np.abs(features - features[0]).max() == 0


def test_short_clip_is_padded() -> None:
    clip = sounds(16000)["noise"]
    short = Mfcc().integers(clip[:5000])
    assert (short == Mfcc().integers(np.concatenate([clip[:5000], np.zeros(11000, np.int16)]))).all()


@pytest.mark.parametrize(
    "mfcc",
    [
        Mfcc(),
        Mfcc(normalise=True),
        Mfcc(rate=8000, clip=8000, window=256, stride=128, mel=20, low=0.0, coefficients=13),
        Mfcc(window=1024, stride=512, high=8000.0),
    ],
    ids=["mlperf", "normalised", "8kHz", "long"],
)
def test_c_is_bit_exact(mfcc: Mfcc, tmp_path: Path) -> None:
    for name, text in frontend_files(mfcc, "kws", SCALE, ZERO_POINT).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "call.c").write_text(
        '#include "kws_mfcc.h"\n'
        "void call(const int16_t *clip, int8_t *out)\n"
        "{\n    static int32_t scratch[KWS_MFCC_SCRATCH];\n"
        "    mcu_mfcc_clip(&kws_mfcc, clip, KWS_MFCC_PEAK(clip), scratch, out);\n}\n"
    )
    flags = (
        "-std=c99",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    )
    library = build_library([tmp_path / "call.c", tmp_path / "kws_mfcc.c"], [tmp_path], flags)
    try:
        for name, clip in sounds(mfcc.clip).items():
            out = np.zeros((mfcc.frames, mfcc.coefficients), np.int8)
            library.call(clip.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p))
            assert (out == mfcc.quantised(clip, SCALE, ZERO_POINT)).all(), name
    finally:
        close_library(library)
