"""From data to firmware with toy networks: one command, killed and resumed, distilled, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
pytest.importorskip("tensorflow_model_optimization")

from nas.baselines import BASELINES  # noqa: E402
from nas.data import load  # noqa: E402
from nas.distill import Distillation  # noqa: E402
from nas.quantize import QuantizeError, infer, post_training, quantise_aware, run, to_int8  # noqa: E402
from nas.tasks.classification import gives_probabilities  # noqa: E402
from nas.train import settled  # noqa: E402
from nas.train_loop import Phase, fit  # noqa: E402
from tests import oracle  # noqa: E402
from tflm_mcunet import Error, compile  # noqa: E402
from tflm_mcunet.execute.tflm import available  # noqa: E402

layers = tf_keras.layers
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pictures of two classes: brighter on the left, or on the right."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.integers(0, 120, (400, 8, 8, 1))
    x[y == 0, :, :4] += 100
    x[y == 1, :, 4:] += 100
    path = tmp_path_factory.mktemp("data") / "sides.npz"
    np.savez(path, x=x.astype(np.uint8), y=y, classes=np.array(["left", "right"]))
    return str(path)


def network(channels: int = 4, softmax: bool = True) -> tf_keras.Model:
    """A toy with all that matters: batch normalisation, a residual, dropout, whose numbers a checkpoint must hold."""
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.ReLU(6.0)(
        layers.BatchNormalization(momentum=0.8)(layers.Conv2D(channels, 3, 2, padding="same", use_bias=False)(inputs))
    )
    y = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)))
    x = layers.Add()([x, layers.BatchNormalization(momentum=0.8)(layers.Conv2D(channels, 1, use_bias=False)(y))])
    x = layers.Dense(2)(layers.Dropout(0.1)(layers.Flatten()(x)))
    return tf_keras.Model(inputs, layers.Softmax()(x) if softmax else x, name="toy")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    tf_keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("model") / "toy.keras"
    network().save(path)
    return str(path)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tflm_mcunet", "train", *map(str, arguments), "--no-augment", "--threads", "1", "--batch", "32"]


@pytest.mark.slow
@pytest.mark.skipif(not available(), reason="tflite-micro is missing")
def test_killed_at_any_moment_it_ends_the_same(archive: str, model_file: str, tmp_path: Path) -> None:
    arguments = ("--data", archive, "--model", model_file, "--epochs", 4, "--qat-epochs", 3, "--target", "nano33ble")
    whole = subprocess.run(command(*arguments, "--out", tmp_path / "whole", "--json"), capture_output=True, text=True, check=True)
    metrics = json.loads(whole.stdout)
    jsonschema.validate(metrics, json.loads((SCHEMAS / "train.schema.json").read_text()))
    assert metrics["int8"]["accuracy"] > 0.9
    for phase in ("float", "quantised"):
        process = subprocess.Popen(command(*arguments, "--out", tmp_path / "killed"), stderr=subprocess.DEVNULL)
        _wait_for(tmp_path / "killed" / "training" / phase / "checkpoint", process)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (tmp_path / "killed" / "metrics.json").exists()
    subprocess.run(command(*arguments, "--out", tmp_path / "killed"), capture_output=True, check=True)
    assert (tmp_path / "killed" / "model.tflite").read_bytes() == (tmp_path / "whole" / "model.tflite").read_bytes()
    resumed = json.loads((tmp_path / "killed" / "metrics.json").read_text())
    assert {**resumed, "seconds": 0} == {**metrics, "seconds": 0}
    assert {path.name for path in (tmp_path / "whole" / "firmware").iterdir()} >= {"model.h", "model.c", "report.json"}
    other = subprocess.run(
        command(*arguments, "--out", tmp_path / "whole", "--rate", "0.1"), capture_output=True, text=True, check=False
    )
    assert other.returncode == 2
    assert "holds another training" in other.stderr


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, "training ended before it could be killed"
        time.sleep(0.05)
    raise AssertionError(f"{path} was not written")


@pytest.mark.slow
def test_what_is_refused(archive: str, model_file: str, tmp_path: Path) -> None:
    cases = {
        ("--model", "resnet-9"): "--model resnet-9: a file ending in",
        ("--model", tmp_path / "absent.keras"): "no such file",
        ("--model", model_file, "--sram", 16): "more than --sram 16",
        ("--model", model_file, "--size", "8"): "write height x width",
        ("--model", model_file, "--batch", 0): "'0' is not a positive number",
        ("--model", model_file, "--test", 0.99): "leave nothing to train on",
    }
    for arguments, message in cases.items():
        done = subprocess.run(
            command("--data", archive, "--out", tmp_path / "out", *arguments), capture_output=True, text=True, check=False
        )
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert (done.returncode, len(errors)) == (2, 1), done.stderr
        assert message in errors[0]
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_quantised_networks_compile_and_agree(archive: str) -> None:
    data = load(archive)
    tf_keras.utils.set_random_seed(0)
    model = network()
    x, _ = data.train.arrays()
    expected = model.predict(x[:50], verbose=0)
    for tflite in (to_int8(quantise_aware(model, x)), post_training(model, x[:50])):
        (outputs,) = run(compile(tflite), x[:50])
        assert np.abs(outputs - expected).max() < 0.05
        if available():
            oracle.assert_bit_exact([tflite])


def test_layers_that_cannot_be_quantised() -> None:
    inputs = tf_keras.Input((4, 4, 1))
    model = tf_keras.Model(inputs, layers.LayerNormalization()(inputs))
    with pytest.raises(QuantizeError, match="cannot be trained quantised"):
        quantise_aware(model, np.zeros((1, 4, 4, 1), np.float32))


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("shape", [(32, 32, 3), (49, 10, 1)])
def test_baselines(name: str, shape: tuple[int, int, int]) -> None:
    model = BASELINES[name](shape, 12)
    assert model.output_shape == (None, 12)
    assert gives_probabilities(model)


def test_deep_networks_can_be_checked_before_they_are_trained() -> None:
    """Without statistics their logits are so small that no softmax takes their scale."""
    model, samples = BASELINES["mobilenet-v1-0.25"]((28, 28, 1), 10), np.random.default_rng(0).random((16, 28, 28, 1), np.float32)
    assert np.ptp(infer(model, samples)[0]) < 1e-3 < np.ptp(infer(settled(model, samples), samples)[0])
    compile(post_training(settled(model, samples), samples[:1]))


def test_parameters_of_published_networks() -> None:
    """Of MLPerf Tiny's, without the biases that batch normalisation makes useless; MobileNets as in Keras' applications."""
    assert BASELINES["ds-cnn"]((49, 10, 1), 12).count_params() == 24908 - 9 * 64
    assert BASELINES["resnet-8"]((32, 32, 3), 10).count_params() == 78666 - 6 * 16 - 48 - 96
    applications = tf_keras.applications
    theirs = applications.MobileNetV2((96, 96, 3), 0.35, weights=None, classes=2).count_params()
    assert BASELINES["mobilenet-v2-0.35"]((96, 96, 3), 2).count_params() == theirs
    body = applications.MobileNet((96, 96, 3), 0.25, weights=None, include_top=False).count_params()
    assert BASELINES["mobilenet-v1-0.25"]((96, 96, 3), 2).count_params() == body + 256 * 2 + 2


@pytest.mark.parametrize("softmax", [False, True])
def test_a_student_learns_what_only_its_teacher_knows(softmax: bool, archive: str, tmp_path: Path) -> None:
    data = load(archive)
    tf_keras.utils.set_random_seed(0)
    teacher, student = network(8), network(4, softmax)
    teacher.compile("adam", "sparse_categorical_crossentropy")
    x, y = data.train.arrays()
    teacher.fit(x, 1 - y, epochs=8, verbose=0)  # the teacher was taught the opposite
    taught = Distillation(student, teacher, (softmax, True), weight=1.0)
    phase = Phase("float", 8, 32, 1e-2)
    taught.compile(phase.make_optimizer(len(data.train)), tf_keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax))
    before = [weight.numpy() for weight in teacher.weights]
    fit(taught, data, phase, tmp_path, trained=student, verbose=0)
    assert np.mean(student.predict(x, verbose=0).argmax(axis=1) == 1 - y) > 0.9
    assert all((a == b.numpy()).all() for a, b in zip(before, teacher.weights, strict=True))


def test_a_teacher_that_does_not_fit() -> None:
    with pytest.raises(Error, match="teacher 'ds_cnn' does not fit: it has input"):
        Distillation(network(), BASELINES["ds-cnn"]((49, 10, 1), 2), (True, True))


def test_optimisers(archive: str, tmp_path: Path) -> None:
    data = load(archive)
    for optimizer in ("adam", "sgd"):
        model = network()
        phase = Phase(optimizer, 2, 64, 1e-2, optimizer, weight_decay=5e-5)
        model.compile(phase.make_optimizer(len(data.train)), "sparse_categorical_crossentropy")
        fit(model, data, phase, tmp_path, verbose=0)
        steps = 2 * 5  # the last of them was taken a tenth before the cosine's end
        rate = phase.rate * 0.5 * (1 + np.cos(np.pi * (steps - 1) / steps))
        assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(rate, rel=1e-3)
