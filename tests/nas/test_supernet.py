"""The supernet computes what its networks compute by themselves, whichever they are, and learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.space import Space
from tests.nas.toy import pictures, toy_space

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from nas.cut import cut  # noqa: E402
from nas.model import EPSILON  # noqa: E402
from nas.sorting import sort_channels  # noqa: E402
from nas.supernet import Supernet, normalised  # noqa: E402


def shuffled(space: Space) -> Supernet:
    """With weights in which no two channels are alike."""
    tf_keras.utils.set_random_seed(1)
    supernet = Supernet(space, 3)
    for variable in supernet.trainable_variables:
        variable.assign(variable + tf.random.normal(variable.shape, stddev=0.1))
    return supernet


def batches(count: int = 2) -> list[tuple[object, object]]:
    x, y = pictures(32 * count)
    return [(tf.constant(x[i::count] / 255, tf.float32), tf.constant(y[i::count])) for i in range(count)]


@pytest.fixture(scope="module")
def supernet(tmp_path_factory: pytest.TempPathFactory) -> Supernet:
    return shuffled(toy_space(tmp_path_factory.mktemp("space")))


def test_networks_cut_out_compute_the_same(supernet: Supernet) -> None:
    data, space = batches(), supernet.space
    for genes in [space.largest(), 0 * space.largest(), *space.sample(np.random.default_rng(0), 6)]:
        statistics = supernet.calibrate(genes, data)
        model = cut(supernet, genes, statistics)
        images = tf.image.resize(data[0][0], model.input_shape[1:3])
        inside, _ = supernet.logits(data[0][0], supernet.encode(genes)[0], tf.constant(statistics))
        np.testing.assert_allclose(model(images), tf.nn.softmax(inside), atol=2e-5)
        right = np.argmax(model(images), axis=1) == data[0][1].numpy()
        assert supernet.accuracy(genes, statistics, data[:1]) == pytest.approx(right.mean())
        assert model.count_params() < Supernet(space, 3).count_params() * 1.5


def test_normalisation_and_its_gradient_are_keras() -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta, weights = (tf.constant(rng.normal(1, 2, size), tf.float32) for size in ((3, 4, 5, 6), 6, 6, (3, 4, 5, 6)))
    layer = tf_keras.layers.BatchNormalization(momentum=0.0, epsilon=EPSILON)
    layer.build(x.shape)
    layer.set_weights([gamma, beta, *layer.get_weights()[2:]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, gamma, beta))
        y, mean, variance = normalised(x, gamma, beta)
        ours = tf.reduce_sum(y * weights)
        theirs = tf.reduce_sum(layer(x, training=True) * weights)
    pairs = [*zip(tape.gradient(ours, (x, gamma, beta)), tape.gradient(theirs, (x, layer.gamma, layer.beta)), strict=True)]
    for found, expected in (*pairs, (y, layer(x, training=True)), (mean, layer.moving_mean)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(variance, np.var(x, axis=(0, 1, 2)), rtol=1e-4)


def test_smaller_kernels_are_the_centre_and_fewer_channels_the_first(supernet: Supernet) -> None:
    genes = supernet.space.sample(np.random.default_rng(3), 1)
    genes[0, supernet.space.sizes.argmax()] = 0
    network = supernet.encode(genes)[0].numpy()
    model = cut(supernet, genes, supernet.calibrate(genes, batches()))
    block = supernet.blocks[1]
    _, size, inputs, middle, outputs, _ = network[2]
    edge = (5 - size) // 2
    np.testing.assert_array_equal(
        model.get_layer("block2_depthwise").depthwise_kernel,
        block.depthwise.kernel.numpy()[edge : 5 - edge, edge : 5 - edge, :middle],
    )
    np.testing.assert_array_equal(model.get_layer("block2_expand").kernel, block.expand.kernel.numpy()[:, :, :inputs, :middle])
    np.testing.assert_array_equal(model.get_layer("block2_project").kernel, block.project.kernel.numpy()[:, :, :middle, :outputs])


def test_sorting_changes_no_answer_of_the_largest_network(tmp_path: Path) -> None:
    supernet = shuffled(toy_space(tmp_path))
    images, largest = batches()[0][0], supernet.encode(supernet.space.largest())[0]
    before, _ = supernet.logits(images, largest, None)
    kernels = [block.project.kernel.numpy() for block in supernet.blocks]
    sort_channels(supernet)
    after, _ = supernet.logits(images, largest, None)
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert any((old != block.project.kernel.numpy()).any() for old, block in zip(kernels, supernet.blocks, strict=True))
    for block in supernet.blocks[1:]:
        importance = np.abs(block.project.kernel.numpy()).sum(axis=(0, 1, 3))
        assert (np.diff(importance) <= 1e-6).all()
    stage = supernet.blocks[1:]
    importance = np.abs(stage[1].expand.kernel.numpy()).sum(axis=(0, 1, 3)) + np.abs(supernet.head.kernel.numpy()).sum(
        axis=(0, 1, 3)
    )
    assert (np.diff(importance) <= 1e-6).all()


def test_statistics_are_those_of_the_batches(supernet: Supernet) -> None:
    genes, data = supernet.space.largest(), batches(1)
    statistics = supernet.calibrate(genes, data)
    network = supernet.encode(genes)[0]
    by_batch, used = supernet.logits(data[0][0], network, None)
    by_statistics, _ = supernet.logits(data[0][0], network, tf.constant(statistics))
    np.testing.assert_allclose(statistics, used, atol=1e-6)
    np.testing.assert_allclose(by_statistics, by_batch, atol=1e-5)


def test_training_updates_what_the_networks_use_and_learns(tmp_path: Path) -> None:
    space = toy_space(tmp_path)
    tf_keras.utils.set_random_seed(0)
    supernet = Supernet(space, 3)
    smallest = 0 * space.largest()
    supernet.sample(smallest, 1)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    supernet.compile(tf_keras.optimizers.SGD(0.0, momentum=0.9), loss, metrics=["accuracy"])
    images, labels = batches(1)[0]
    before = [variable.numpy() for variable in supernet.trainable_variables]
    supernet.train_step((images, labels))
    for old, variable in zip(before, supernet.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable)  # at rate zero
    supernet.sample(space.sample(np.random.default_rng(0), 64), 4)
    supernet.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    x, y = pictures(256)
    history = supernet.fit(x / 255, y, batch_size=64, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    # a network that was never drawn by itself, with statistics of its own
    x, y = pictures(128, seed=1)
    test = [(tf.constant(x / 255, tf.float32), tf.constant(y))]
    assert supernet.accuracy(space.largest(), supernet.calibrate(space.largest(), test), test) > 0.6
    # one graph served all networks
    assert supernet._correct.experimental_get_tracing_count() == 1
