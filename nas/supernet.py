"""All networks of a space in one, with shared weights: trained once, every network takes its weights from it.

A smaller kernel is the centre of the largest one, fewer channels are the first ones, fewer blocks the first of a stage.

    supernet = Supernet(space, classes)
    supernet.sample(genes)                     # which networks the next training draws from
    supernet.compile(...); supernet.fit(...)   # as any Keras model
    sort_channels(supernet)                    # sorting.py: once the largest network is trained, the important channels first
    statistics = supernet.calibrate(genes, batches)
    model = cut(supernet, genes, statistics)   # cut.py: a Keras model of its own that computes the same

**One graph for all networks.** A Keras model per network, or a `tf.function` traced per network, would spend its time on
tracing: seconds each, for networks that are seen once. Here channels, kernel sizes, depths and resolution are tensors: weights
are sliced to sizes that are known only when the step runs, and blocks that a network lacks are skipped by `tf.cond`. The graph
is traced once, and unlike with masks over the largest network, a small network costs what it computes.

**Batch normalisation** uses the statistics of the batch in training. Moving averages over different networks mean nothing;
before a network is evaluated, its own are measured (`calibrate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import ArrayLike, NDArray
from tf_keras import layers

from nas.model import EPSILON
from nas.space import Place, Space

SUBNETS = 4
"""Networks that share a step, on the same batch."""
DECAY = 5e-5
"""Weight decay of all kernels, as a part of the gradient."""

Statistics = NDArray[np.float32]
"""[mean and variance, channel of any normalisation]: a network's own; zeros where it has no such channel."""


class Convolution(layers.Layer):
    """A convolution of whose channels the first ones count."""

    def __init__(self, name: str, inputs: int, outputs: int, size: int = 1, stride: int = 1) -> None:
        super().__init__(name=name)
        self.stride = stride
        self.kernel = self.add_weight("kernel", (size, size, inputs, outputs), initializer="he_normal")

    def call(self, x: tf.Tensor, inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(x, self.kernel[:, :, :inputs, :outputs], self.stride, "SAME")


class Depthwise(layers.Layer):
    """A depthwise convolution of whose window the centre counts, and of whose channels the first ones."""

    def __init__(self, name: str, channels: int, size: int, stride: int) -> None:
        super().__init__(name=name)
        self.size, self.stride = size, stride
        start = tf_keras.initializers.RandomNormal(stddev=(2 / size**2) ** 0.5)  # He's: every output has one input channel
        self.kernel = self.add_weight("kernel", (size, size, channels, 1), initializer=start)

    def call(self, x: tf.Tensor, size: tf.Tensor, channels: tf.Tensor) -> tf.Tensor:
        edge = (self.size - size) // 2
        kernel = self.kernel[edge : edge + size, edge : edge + size, :channels]
        return tf.nn.depthwise_conv2d(x, kernel, (1, self.stride, self.stride, 1), "SAME")


@tf.custom_gradient
def normalised(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor, tf.Tensor], Any]:
    """Batch normalisation, and mean and variance of the batch, through which no gradient flows.

    Sums over pixels are products with ones, which halves the time of a step on a CPU. TensorFlow's fused operator is no
    way out: with oneDNN, 2.21 damages its heap where the number of channels changes from call to call.
    """
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    mean = _sums(x) / count
    variance = tf.maximum(_sums(x * x) / count - mean * mean, 0.0)
    rate = tf.math.rsqrt(variance + EPSILON)
    scale = gamma * rate

    def gradient(upstream: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        shift = _sums(upstream)
        stretch = (_sums(upstream * x) - mean * shift) * rate
        slope = scale * rate * stretch / count
        return scale * upstream - slope * x + (slope * mean - scale * shift / count), stretch, shift

    return (x * scale + (beta - mean * scale), mean, variance), gradient


def _sums(x: tf.Tensor) -> tf.Tensor:
    """Over all but the channels."""
    pixels = tf.reshape(x, (-1, tf.shape(x)[-1]))
    return tf.matmul(tf.ones((1, tf.shape(pixels)[0])), pixels)[0]


class Normalisation(layers.Layer):
    """Batch normalisation of the first channels, by given statistics or by those of the batch."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__(name=name)
        self.channels = channels
        self.gamma = self.add_weight("gamma", (channels,), initializer="ones")
        self.beta = self.add_weight("beta", (channels,), initializer="zeros")

    def call(self, x: tf.Tensor, channels: tf.Tensor, statistics: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """The result, and the statistics [2, channels of the layer] that were used."""
        gamma, beta = self.gamma[:channels], self.beta[:channels]
        if statistics is not None:
            mean, variance = statistics[0, :channels], statistics[1, :channels]
            scale = gamma * tf.math.rsqrt(variance + EPSILON)
            return x * scale + (beta - mean * scale), statistics
        y, mean, variance = normalised(x, gamma, beta)
        used = tf.pad(tf.stop_gradient(tf.stack((mean, variance))), ((0, 0), (0, self.channels - channels)))
        return y, tf.ensure_shape(used, (2, self.channels))


class Block(layers.Layer):
    """The inverted bottleneck of one place, as large as any network has it."""

    def __init__(self, name: str, place: Place, inputs: int, middle: int, outputs: int, mixed: bool) -> None:
        """`mixed`: blocks of a stage may differ in their channels, so that not all of them can add their inputs."""
        super().__init__(name=name)
        self.place, self.mixed = place, mixed
        self.expand = Convolution("expand", inputs, middle) if place.expands else None
        self.depthwise = Depthwise("depthwise", middle, max(place.stage.kernels), place.stride)
        self.project = Convolution("project", middle, outputs)
        sizes = {"expand_bn": middle} if place.expands else {}
        sizes |= {"depthwise_bn": middle, "project_bn": outputs}
        self.normalisations = [Normalisation(name, channels) for name, channels in sizes.items()]
        self.channels = [each.channels for each in self.normalisations]

    def call(self, x: tf.Tensor, network: tf.Tensor, statistics: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """The result, and the statistics [2, channels] that were used; both as they were where the network has no such block."""
        if not self.place.optional:
            return self.compute(x, network, statistics)
        nothing = tf.zeros((2, sum(self.channels))) if statistics is None else statistics
        return tf.cond(network[0] > 0, lambda: self.compute(x, network, statistics), lambda: (x, nothing))

    def compute(self, x: tf.Tensor, network: tf.Tensor, statistics: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        _, size, inputs, middle, outputs, adds = tf.unstack(network)
        own = [None] * len(self.channels) if statistics is None else tf.split(statistics, self.channels, axis=1)
        before, used = x, []
        if self.expand is not None:
            x, found = self.normalisations[0](self.expand(x, inputs, middle), middle, own[0])
            x, used = tf.nn.relu6(x), [found]
        x, found = self.normalisations[-2](self.depthwise(x, size, middle), middle, own[-2])
        used.append(found)
        x, found = self.normalisations[-1](self.project(tf.nn.relu6(x), middle, outputs), outputs, own[-1])
        used.append(found)
        if self.place.index:
            x = tf.cond(adds > 0, lambda: before + x, lambda: x) if self.mixed else before + x
        return x, tf.concat(used, axis=1)


class Supernet(tf_keras.Model):
    """[batch, height, width, channels] -> logits [batch, classes] of the networks of a space."""

    def __init__(self, space: Space, classes: int, dropout: float = 0.0) -> None:
        super().__init__(name="supernet")
        self.space, self.classes, self.dropout = space, classes, dropout
        most = space.networks(space.largest())
        stem, head, features = int(most.stem[0]), int(most.head[0]), int(most.channels[0, -1])
        sizes = zip(most.inputs[0].tolist(), most.middle[0].tolist(), most.channels[0].tolist(), strict=True)
        mixed = len(space.block_widths) > 1
        self.stem = Convolution("stem", space.input_channels, stem, space.stem.kernel, space.stem.stride)
        self.stem_bn = Normalisation("stem_bn", stem)
        self.blocks = [
            Block(f"block{number}", place, *size, mixed)
            for number, (place, size) in enumerate(zip(space.places, sizes, strict=True), start=1)
        ]
        self.head = Convolution("head", features, head) if head else None
        self.head_bn = Normalisation("head_bn", head) if head else None
        self.classifier = Convolution("classifier", head or features, classes)
        self.bias = self.add_weight("bias", (classes,), initializer="zeros")
        self.groups = [stem, *(sum(block.channels) for block in self.blocks), *([head] if head else [])]
        self.sample(space.largest(), 1)
        self.built = True

    # ---- networks ----

    def encode(self, genes: ArrayLike) -> tf.Tensor:
        """int32 [network, 1 + places, 6]: height, width, stem and head of a network; then per place what Block takes."""
        found = self.space.networks(genes)
        whole = np.stack([found.height, found.width, found.stem, found.head, 0 * found.stem, 0 * found.stem], axis=1)
        blocks = np.stack([found.real, found.kernel, found.inputs, found.middle, found.channels, found.adds], axis=2)
        return tf.constant(np.concatenate((whole[:, None], blocks), axis=1), tf.int32)

    def sample(self, genes: ArrayLike, subnets: int = SUBNETS) -> None:
        """Has training draw from these networks, one after the other, `subnets` per batch. To be called before `compile`."""
        self.pool, self.subnets = self.encode(genes), subnets

    def logits(
        self, images: tf.Tensor, network: tf.Tensor, statistics: tf.Tensor | None, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What one network makes of images, and the statistics [2, channels] that were used: those of the batch where None."""
        height, width, stem, head, _, _ = tf.unstack(network[0])
        if self.space.resolutions != (tuple(images.shape[1:3]),):
            images = tf.image.resize(images, tf.stack((height, width)))
        own = [None] * len(self.groups) if statistics is None else tf.split(statistics, self.groups, axis=1)
        x, found = self.stem_bn(self.stem(images, self.space.input_channels, stem), stem, own[0])
        x, used = tf.nn.relu6(x), [found]
        for index, block in enumerate(self.blocks, start=1):
            x, found = block(x, network[index], own[index])
            used.append(found)
        features = network[-1, 4]
        if self.head is not None and self.head_bn is not None:
            x, found = self.head_bn(self.head(x, features, head), head, own[-1])
            x, features = tf.nn.relu6(x), head
            used.append(found)
        x = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        if training and self.dropout:
            x = tf.nn.dropout(x, self.dropout)
        x = self.classifier(x, features, self.classes)
        return x[:, 0, 0] + self.bias, tf.concat(used, axis=1)

    # ---- training, as Keras has it ----

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The largest network's answers, by the statistics of the batch."""
        return self.logits(images, self.encode(self.space.largest())[0], None, training)[0]

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step on the sum of the losses of the next networks of the pool."""
        images, labels = data
        variables = self.trainable_variables
        first = tf.cast(self.optimizer.iterations, tf.int32) * self.subnets

        def add(number: tf.Tensor, total: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
            network = self.pool[(first + number) % len(self.pool)]
            with tf.GradientTape() as tape:
                answers, _ = self.logits(images, network, None, training=True)
                loss = self.compiled_loss(labels, answers)
            self.compiled_metrics.update_state(labels, answers)
            gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return number + 1, [a + tf.convert_to_tensor(b) for a, b in zip(total, gradients, strict=True)]

        zeros = [tf.zeros_like(variable) for variable in variables]
        _, total = tf.while_loop(lambda number, _: number < self.subnets, add, (0, zeros), maximum_iterations=self.subnets)
        decayed = [g + DECAY * v if len(v.shape) == 4 else g for g, v in zip(total, variables, strict=True)]
        self.optimizer.apply_gradients(zip(decayed, variables, strict=True))
        return {metric.name: metric.result() for metric in self.metrics}

    # ---- one network ----

    @tf.function(reduce_retracing=True, autograph=False)
    def _statistics(self, images: tf.Tensor, network: tf.Tensor) -> tf.Tensor:
        return self.logits(images, network, None)[1]

    @tf.function(reduce_retracing=True, autograph=False)
    def _correct(self, images: tf.Tensor, labels: tf.Tensor, network: tf.Tensor, statistics: tf.Tensor) -> tf.Tensor:
        answers = tf.argmax(self.logits(images, network, statistics)[0], axis=1, output_type=tf.int32)
        return tf.reduce_sum(tf.cast(answers == tf.cast(labels, tf.int32), tf.int32))

    def calibrate(self, genes: ArrayLike, batches: Iterable[Any]) -> Statistics:
        """The statistics of one network, as the mean over batches of (images, labels)."""
        network = self.encode(genes)[0]
        found = [self._statistics(images, network).numpy() for images, _ in batches]
        return np.asarray(np.mean(found, axis=0))

    def accuracy(self, genes: ArrayLike, statistics: Statistics, batches: Iterable[Any]) -> float:
        """Of one network with its statistics, on batches of (images, labels)."""
        network, total, correct = self.encode(genes)[0], 0, 0
        for images, labels in batches:
            correct += int(self._correct(images, labels, network, statistics))
            total += len(labels)
        return correct / total
