"""The networks that MIT HAN Lab published for MCUNet, from their JSON descriptions, as architectures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from patch_scheduler.architecture import Architecture, Bottleneck, Convolution
from tflm_mcunet.errors import Error


class ConfigError(Error):
    """The file does not describe such a network."""


def read(path: Path) -> Architecture:
    """The network of a file such as mcunet-320kb-1mb_imagenet.json.

    Maps have the published sizes. Where a stride of 2 meets an even size, PyTorch pads both sides and Keras ("same") only the
    far one, so that weights trained there see the image half a pixel off.

    Raises:
        ConfigError: the file cannot be read, or has a layer that an Architecture does not.
    """
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return _architecture(config)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path.name} does not describe an MCUNet: {type(error).__name__} {error}") from None


def _architecture(config: Mapping[str, Any]) -> Architecture:
    first, head, size = config["first_conv"], config["feature_mix_layer"], config["resolution"]
    return Architecture(
        size,
        size,
        first["in_channels"],
        Convolution(first["out_channels"], first["kernel_size"], first["stride"]),
        tuple(_blocks(config["blocks"])),
        head["out_channels"] if head else 0,
        config["classifier"]["out_features"],
    )


def _blocks(blocks: Any) -> Iterator[Bottleneck]:
    for number, block in enumerate(blocks):
        own = block["mobile_inverted_conv"]
        if own["name"] == "ZeroLayer":
            continue  # the input alone: a block that the search left out
        inputs, expansion = own["in_channels"], own["expand_ratio"]
        if (
            own.get("use_se")
            or own.get("act_func", "relu6") != "relu6"
            or (own.get("mid_channels") or inputs * expansion) != inputs * expansion
        ):
            raise ConfigError(f"block {number} is not an inverted bottleneck with relu6 and a whole expansion")
        yield Bottleneck(own["kernel_size"], expansion, own["out_channels"], own["stride"], bool(block["shortcut"]))
