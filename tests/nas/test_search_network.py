"""`search network` from data to a network, on a toy: within its limits, the same for the same seed, killed or not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.nas.toy import pictures, toy_space

pytest.importorskip("tf_keras")

BUDGET = ("--sram", "6KB", "--flash", "20KB", "--latency", "3M")
EFFORT = (
    "--largest-epochs", 2, "--epochs", 2, "--batch", 64, "--population", 6, "--parents", 3, "--crossovers", 3,
    "--mutations", 3, "--iterations", 2, "--calibration", 2, "--processes", 0, "--threads", 1,
)  # fmt: skip


def data(folder: Path) -> Path:
    path = folder / "stripes.npz"
    (x, y), (x_test, y_test) = pictures(512), pictures(64, seed=1)
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test, classes=np.array(["upright", "level", "slanting"]))
    return path


def start(folder: Path, out: str, *more: object) -> subprocess.Popen[str]:
    toy_space(folder)
    arguments = ["search", "network", "--target", "stm32f746", "--space", folder / "toy.toml", "--data", data(folder)]
    line = [sys.executable, "-m", "tflm_mcunet", *arguments, "--out", folder / out, *BUDGET, *EFFORT, "--json", *more]
    return subprocess.Popen(list(map(str, line)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> dict:
    out, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return json.loads(out)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("search")
    return folder, finished(start(folder, "whole"))


def test_the_network_is_as_said(searched: tuple[Path, dict]) -> None:
    import tf_keras

    folder, figures = searched
    found = json.loads((folder / "whole" / "search.json").read_text())
    assert figures["accuracy"] == found["best"]["accuracy"] == max(each["accuracy"] for each in found["networks"])
    assert len(found["networks"]) == 6 + 2 * 6
    for each in found["networks"]:
        assert each["sram"] <= 6 << 10
        assert each["flash"] <= 20 << 10
        assert each["instructions"] <= 3_000_000
    model = tf_keras.models.load_model(folder / "whole" / "network.keras", compile=False)
    architecture = found["best"]["architecture"]
    assert model.input_shape == (None, architecture["height"], architecture["width"], 1)
    assert model.output_shape == (None, 3)
    largest = tf_keras.models.load_model(folder / "whole" / "largest.keras", compile=False)
    assert largest.output_shape == (None, 3)
    assert largest.count_params() > model.count_params()
    assert any((folder / "whole" / "logs" / "evolution").iterdir())


def test_the_compiled_network_stays_within_the_limits(searched: tuple[Path, dict]) -> None:
    import tf_keras

    import tflm_mcunet
    from tflm_mcunet.kernels.flash import code_bytes, function_of

    folder, figures = searched
    model = tf_keras.models.load_model(folder / "whole" / "network.keras", compile=False)
    x = pictures(16)[0][:, : model.input_shape[1], : model.input_shape[2]] / 255
    samples = x.astype(np.float32)
    compiled = tflm_mcunet.compile(
        model, target="stm32f746", sram="6KB", representative_dataset=lambda: ([each[None]] for each in samples)
    )
    report = compiled.report
    assert report["sram"]["arena"] <= 6 << 10
    code = code_bytes(map(function_of, compiled.program.lowered.operators), compiled.program.options.board)
    assert 0.95 * figures["flash"] < report["flash"]["weights"] + code <= figures["flash"]
    assert report["estimate"]["instructions"] <= 1.05 * figures["instructions"]


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_the_same(searched: tuple[Path, dict]) -> None:
    """Once in the first training, once in the second, once in evolution."""
    folder, expected = searched
    out = folder / "killed"
    for sign in ("largest/checkpoint", "supernet/checkpoint", "networks.jsonl"):
        process = start(folder, "killed")
        while process.poll() is None:
            there = out / sign
            if there.exists() and there.stat().st_size > 0:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.02)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"it was over before {sign}"
    again = finished(start(folder, "killed"))
    assert again == expected | {"network": again["network"]}
    one, other = (json.loads((folder / name / "search.json").read_text()) for name in ("whole", "killed"))
    assert one == other


def error_of(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 2, errors
    assert out == ""
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.slow
def test_processes_find_the_same(searched: tuple[Path, dict]) -> None:
    folder, expected = searched
    found = finished(start(folder, "processes", "--processes", 2))
    assert found == expected | {"network": found["network"]}


def test_what_cannot_be_gets_one_line(searched: tuple[Path, dict]) -> None:
    folder, _ = searched
    assert "holds another search" in error_of(start(folder, "whole", "--seed", 9))
    assert "the smallest needs about" in error_of(start(folder, "small", "--sram", 200))
    assert "space 'toy' has 0.5, 1" in error_of(start(folder, "width", "--width", 2))
    assert "space 'toy' has 8x8, 12x12" in error_of(start(folder, "resolution", "--resolution", 9))
    assert "takes 3 channels" in error_of(start(folder, "channels", "--space", "small_image"))


def test_data_is_scaled_as_in_the_supernet(tmp_path: Path) -> None:
    import tensorflow as tf

    from nas.data import load

    spec = str(data(tmp_path))
    small, whole = load(spec, size=(8, 6)), load(spec)
    assert small.shape == (8, 6, 1)
    np.testing.assert_allclose(small.train.arrays()[0], tf.image.resize(whole.train.arrays()[0], (8, 6)), atol=1e-6)
    assert (small.test.labels == whole.test.labels).all()


def test_spaces_that_suit_data(tmp_path: Path) -> None:
    from nas.data import load
    from nas.search_network import suited
    from tflm_mcunet.errors import Error

    samples = load(str(data(tmp_path)))
    assert suited(toy_space(tmp_path), samples).resolutions == ((8, 8), (12, 12))
    path = tmp_path / "large.toml"
    path.write_text((tmp_path / "toy.toml").read_text().replace("[8, 12]", "[12, 20]"))
    from nas import space

    assert suited(space.load(str(path)), samples).resolutions == ((12, 12),)
    path.write_text((tmp_path / "toy.toml").read_text().replace("[8, 12]", "[20]"))
    with pytest.raises(Error, match="the samples are 12x12x1, smaller than every resolution of space 'large'"):
        suited(space.load(str(path)), samples)
