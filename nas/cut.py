"""A network of a supernet as a Keras model of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tf_keras
from numpy.typing import ArrayLike, NDArray

from nas.model import keras_model
from nas.supernet import Statistics, Supernet

Array = NDArray[np.float32]


def cut(supernet: Supernet, genes: ArrayLike, statistics: Statistics, name: str = "network") -> tf_keras.Model:
    """The network with the weights it has inside and its statistics: images of its resolution -> probabilities."""
    (architecture,) = supernet.space.architectures(genes, supernet.classes)
    model = keras_model(architecture, name, supernet.dropout)
    weights = dict(_weights(supernet, genes, statistics))
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights.pop(layer.name))
    assert not weights
    return model


def _weights(supernet: Supernet, genes: ArrayLike, statistics: Statistics) -> Iterator[tuple[str, list[Array]]]:
    """Weights by the names of layers in nas/model.py."""
    network = supernet.encode(genes)[0].numpy()
    _, _, stem, head = network[0, :4]
    parts = np.split(statistics, np.cumsum(supernet.groups)[:-1], axis=1)
    yield "stem", [supernet.stem.kernel.numpy()[..., :stem]]
    yield "stem_bn", _normalisation(supernet.stem_bn, parts[0], stem)
    number = 0
    for block, (real, size, inputs, middle, outputs, _), part in zip(supernet.blocks, network[1:], parts[1:], strict=False):
        if not real:
            continue
        number += 1
        own = np.split(part, np.cumsum(block.channels)[:-1], axis=1)
        for normalisation, found, count in zip(block.normalisations[::-1], own[::-1], (outputs, middle, middle), strict=False):
            yield f"block{number}_{normalisation.name}", _normalisation(normalisation, found, count)
        if block.expand is not None:
            yield f"block{number}_expand", [block.expand.kernel.numpy()[:, :, :inputs, :middle]]
        edge = (block.depthwise.size - size) // 2
        yield f"block{number}_depthwise", [block.depthwise.kernel.numpy()[edge : edge + size, edge : edge + size, :middle]]
        yield f"block{number}_project", [block.project.kernel.numpy()[:, :, :middle, :outputs]]
    features = network[-1, 4]
    if supernet.head is not None:
        yield "head", [supernet.head.kernel.numpy()[:, :, :features, :head]]
        yield "head_bn", _normalisation(supernet.head_bn, parts[-1], head)
        features = head
    yield "classifier", [supernet.classifier.kernel.numpy()[0, 0, :features], supernet.bias.numpy()]


def _normalisation(layer: object, statistics: Statistics, channels: int) -> list[Array]:
    """Scale, offset, mean and variance of the first channels."""
    gamma, beta = (getattr(layer, name).numpy()[:channels] for name in ("gamma", "beta"))
    return [gamma, beta, *statistics[:, :channels]]
