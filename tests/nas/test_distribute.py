"""Training on several devices and by several processes: one result, written by the first."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_model_optimization")

OPTIONS = ["--epochs", "6", "--qat-epochs", "2", "--batch", "32", "--rate", "0.01", "--no-augment", "--json"]

TOY = """
import numpy as np, tensorflow as tf
cpu, halves = tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)
from pathlib import Path
from nas.data import load
from nas.keras_model import read
from nas.tasks import task
from nas.train import Recipe, train
from nas.train_loop import Phase
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
recipe = Recipe(Phase("float", 6, 32, 1e-2), Phase("quantised", 2, 32, 4e-4), augment=False)
build = lambda: read(Path("toy.keras"))
teach = build if {teacher} else None
trained = train(load("sides.npz"), task("classification"), build, recipe, Path("{out}"), build_teacher=teach, strategy=strategy)
print(trained.metrics["int8"]["accuracy"])
"""

SUPERNET = """
import numpy as np, tensorflow as tf
cpu, halves = tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)
from pathlib import Path
from nas.data import load
from nas.search_network import Recipe, train_supernet
from tests.nas.toy import toy_space
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    supernet = train_supernet(toy_space(Path()), load("stripes.npz"), Recipe(4, 8, 64), Path("supernet"))
assert [len(each.values) for each in supernet.trainable_variables] == [2] * len(supernet.trainable_variables)
validation = list(load("stripes.npz").validation.batches(64))
genes = supernet.space.largest()
print(supernet.accuracy(genes, supernet.calibrate(genes, validation), validation))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy network, and pictures of two classes: brighter on the left, or on the right."""
    tf_keras = pytest.importorskip("tf_keras")
    layers = tf_keras.layers
    place = tmp_path_factory.mktemp("distribute")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    x = rng.integers(0, 120, (400, 8, 8, 1))
    x[y == 0, :, :4] += 100
    x[y == 1, :, 4:] += 100
    np.savez(place / "sides.npz", x=x.astype(np.uint8), y=y, classes=np.array(["left", "right"]))
    body = [layers.Conv2D(4, 3, 2, use_bias=False), layers.BatchNormalization(momentum=0.8), layers.ReLU(6.0), layers.Flatten()]
    tf_keras.Sequential([layers.Input((8, 8, 1)), *body, layers.Dense(2), layers.Softmax()]).save(place / "toy.keras")
    return place


@pytest.mark.slow
def test_two_workers(folder: Path) -> None:
    ports = [_free_port() for _ in range(2)]
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    command = [sys.executable, "-m", "tflm_mcunet", "train", "--data", "sides.npz", "--model", "toy.keras", "--out", "workers"]
    workers = []
    for index in range(2):
        environment = {**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        line = [*command, "--distribute", "multi-worker", *OPTIONS]
        workers.append(subprocess.Popen(line, cwd=folder, env=environment, **pipes))
    try:
        outputs = [worker.communicate(timeout=540) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], [errors[-2000:] for _, errors in outputs]
    assert json.loads(outputs[0][0])["int8"]["accuracy"] > 0.9
    assert outputs[1][0] == ""
    assert (folder / "workers" / "firmware" / "model.c").exists()
    assert (folder / "workers" / "training" / "float" / "checkpoint").exists()


@pytest.mark.slow
@pytest.mark.parametrize("teacher", [False, True])
def test_two_devices(teacher: bool, folder: Path) -> None:
    script = TOY.format(teacher=teacher, out=f"devices_{teacher}")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    if not teacher:  # an untrained teacher teaches nothing
        assert float(done.stdout.split()[-1]) > 0.9


@pytest.mark.slow
def test_a_supernet_on_two_devices(tmp_path: Path) -> None:
    from tests.nas.toy import pictures

    (x, y), (x_test, y_test) = pictures(512), pictures(64, seed=1)
    np.savez(tmp_path / "stripes.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test, classes=np.array(["a", "b", "c"]))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SUPERNET]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) > 0.6  # of three classes


def test_workers_need_their_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.train_distribute import strategy
    from tflm_mcunet import Error

    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(Error, match="needs the environment variable TF_CONFIG"):
        strategy("multi-worker")
    assert strategy(None) is None


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return int(server.getsockname()[1])
