"""The Python API, and how light it is to import."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.build import ModelBuilder
from tests.models import small_network


def test_compile_from_bytes_and_path(tmp_path: Path) -> None:
    model = small_network()
    (tmp_path / "net.tflite").write_bytes(model)
    from_bytes, from_path = tflm_mcunet.compile(model, name="net"), tflm_mcunet.compile(tmp_path / "net.tflite")
    picture = np.arange(90, dtype=np.int8).reshape(1, 6, 5, 3)
    (answer,) = from_bytes.run(picture)
    assert answer.shape == (1, 2)
    assert answer.dtype == np.int8
    assert np.array_equal(answer, from_path.run(picture)[0])
    assert from_path.verify().passed
    assert from_bytes.report["macs"] == from_path.report["macs"]


def test_write(tmp_path: Path) -> None:
    compiled = tflm_mcunet.compile(small_network(), name="net", target="cortex-m4")
    compiled.write(tmp_path / "a" / "b")
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == set(compiled.files)


def test_trace_shows_schedule_and_plan() -> None:
    lines: list[str] = []
    tflm_mcunet.compile(small_network(), trace=lines.append)
    (last,) = (line for line in lines if line.startswith("schedule: "))
    for words in ("stage 0 (", "CONV_2D", "steps", "plan: an arena of", "rows of"):
        assert words in last


def test_errors() -> None:
    with pytest.raises(tflm_mcunet.Error, match="not list"):
        tflm_mcunet.compile([1, 2])
    with pytest.raises(tflm_mcunet.Error, match="TFL3"):
        tflm_mcunet.compile(b"")
    with pytest.raises(tflm_mcunet.Error, match="--io"):
        tflm_mcunet.compile(small_network(), io="float")
    with pytest.raises(tflm_mcunet.Error):
        tflm_mcunet.compile(small_network()).run(np.zeros(3, np.int8))


def test_untrained_networks_are_told_to_be_trained() -> None:
    """Signals vanish in deep ones; quantisation then finds scales that TFLM's SOFTMAX has no exponential for."""
    b = ModelBuilder()
    x = b.input((1, 8), scale=8e-9)
    y = b.tensor((1, 8), scale=1 / 256, zero_point=-128)
    b.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    with pytest.raises(tflm_mcunet.Error, match=r"SOFTMAX.*its input is all but zero: train the network first"):
        tflm_mcunet.compile(b.build([y]))


def test_import_is_light() -> None:
    code = "import sys, tflm_mcunet, tflm_mcunet.compiler; print([m for m in sys.modules if 'tensorflow' in m or 'keras' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_is_fast() -> None:
    def seconds(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    bare = min(seconds("pass") for _ in range(3))
    assert min(seconds("import tflm_mcunet") for _ in range(3)) - bare < 0.3
