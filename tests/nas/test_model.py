"""Keras models have the shapes and the work of their architectures, and those of MCUNet's published networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nas import space
from nas.published import ConfigError, read
from patch_scheduler.architecture import Architecture
from patch_scheduler.batch import estimate

CONFIGS = Path(__file__).parents[3] / "shared" / "models" / "mcunet_configs"
MACS = {
    "mcunet-10fps": 6.4,
    "mcunet-5fps": 12.8,
    "mcunet-256kb-1mb": 67.3,
    "mcunet-320kb-1mb": 81.8,
    "mcunet-512kb-2mb": 125.9,
    "mbv2-w0.35-r144": 23.5,
}
"""In millions, as published."""
needs_configs = pytest.mark.skipif(not CONFIGS.exists(), reason="MCUNet's descriptions are not here")


def macs(model: object) -> int:
    """Of convolutions and dense layers, from the shapes that Keras computes."""
    total = 0
    for layer in model.layers:  # type: ignore[attr-defined]
        if hasattr(layer, "depthwise_kernel"):
            total += layer.depthwise_kernel.shape.num_elements() * int(np.prod(layer.output_shape[1:3]))
        elif hasattr(layer, "kernel"):
            total += layer.kernel.shape.num_elements() * int(np.prod(layer.output_shape[1:-1]))
    return total


def shapes(architecture: Architecture) -> list[tuple[int, int]]:
    """Rows and row size of every map, as the geometry has them."""
    return [(tensor.rows, tensor.row_bytes) for tensor in architecture.network().tensors]


@needs_configs
@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.json")), ids=lambda path: path.stem)
def test_published_networks(path: Path) -> None:
    from nas.model import keras_model

    architecture, config = read(path), json.loads(path.read_text())
    model = keras_model(architecture)
    found = int(estimate([architecture]).macs[0])
    assert macs(model) == found
    name = path.stem.removesuffix("_imagenet")
    if name in MACS:
        assert round(found / 1e6, 1) == MACS[name]
    outputs = [layer.output_shape for layer in model.layers if layer.name.endswith("_project")]
    published = [b["mobile_inverted_conv"] for b in config["blocks"] if b["mobile_inverted_conv"]["name"] != "ZeroLayer"]
    assert [shape[3] for shape in outputs] == [block["out_channels"] for block in published]
    size, expected = -(-config["resolution"] // config["first_conv"]["stride"]), []
    for block in published:
        size = -(-size // block["stride"])
        expected.append(size)
    assert [shape[1] for shape in outputs] == expected
    assert model.output_shape == (None, config["classifier"]["out_features"])


@pytest.mark.parametrize("name", ["mfcc", "small_image", "mcunetv2"])
def test_models_of_spaces(name: str) -> None:
    from nas.model import keras_model

    chosen = space.load(name)
    for architecture in chosen.architectures(chosen.sample(np.random.default_rng(0), 3)):
        model = keras_model(architecture)
        assert macs(model) == estimate([architecture]).macs[0]
        maps = [
            layer.output_shape
            for layer in model.layers
            if layer.name.split("_")[-1] in ("add", "relu") or "project" in layer.name
        ]
        assert {(shape[1], shape[2] * shape[3]) for shape in maps if len(shape) == 4} <= set(shapes(architecture))


def test_int8_models_compile_to_the_estimate() -> None:
    """From numbers to C: the arena of the converted model is the one that the graph without weights promises."""
    import tflm_mcunet
    from nas.model import keras_model
    from nas.untrained import untrained
    from tflm_mcunet.kernels.choice import plan_with_kernels
    from tflm_mcunet.options import Options

    mfcc = space.load("mfcc")
    (architecture,) = mfcc.architectures(mfcc.sample(np.random.default_rng(4), 1))
    model = keras_model(architecture)
    samples = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32)
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0
    model(samples, training=True)
    compiled = tflm_mcunet.compile(
        model, minimize="sram", keep_dead_channels=True, representative_dataset=lambda: ([s[None]] for s in samples)
    )
    assert compiled.report["sram"]["arena"] == plan_with_kernels(untrained(architecture), Options(minimize="sram")).plan.arena
    assert compiled.verify(samples=2).passed


def test_bad_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ConfigError, match=r"cannot read .*a\.json: No such file"):
        read(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="cannot read"):
        read(path)
    path.write_text("{}")
    with pytest.raises(ConfigError, match="does not describe an MCUNet: KeyError 'first_conv'"):
        read(path)
