"""The networks that were published for MCUNet: built in Keras, quantised, compiled; SRAM under every schedule.

    python benchmarks/nas/mcunet.py --configs mcunet_configs      # the folder of *_imagenet.json

Weights are random: no memory depends on them. Writes mcunet.md and mcunet.json beside this file; networks that are in
mcunet.json already are not compiled again unless --again is given.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

CONFIGS = flags.DEFINE_string("configs", None, "folder of the JSON descriptions", required=True)
ONLY = flags.DEFINE_string("only", "", "networks whose names contain this")
AGAIN = flags.DEFINE_bool("again", False, "compile what is in mcunet.json too")
HERE = Path(__file__).parent
SCHEDULES = (("layer", "whole"), ("patch", "whole"), ("stream", "whole"), ("stream", "pull"))


def measure(path: Path) -> dict[str, Any]:
    """Shapes, work and arenas of one network."""
    from nas.model import keras_model
    from nas.published import read
    from tflm_mcunet.source import load

    architecture = read(path)
    model = keras_model(architecture)
    assert model.input_shape[1:] == (architecture.height, architecture.width, architecture.channels)
    pictures = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32)
    normalise(model, pictures)

    def images() -> Iterator[list[Any]]:
        for picture in pictures:
            yield [picture[None]]

    start = time.monotonic()
    tflite, _ = load(model, images)
    converted = time.monotonic() - start
    return {
        "resolution": architecture.height,
        "blocks": len(architecture.blocks),
        "parameters": int(model.count_params()),
        "tflite_bytes": len(tflite),
        "convert_seconds": round(converted),
        **_compiled(tflite),
    }


def normalise(model: Any, pictures: Any) -> None:
    """Batch normalisation as the pictures have it: without, values shrink from layer to layer until nothing is left."""
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0
    model(pictures, training=True)


def _compiled(tflite: bytes) -> dict[str, Any]:
    import tflm_mcunet

    found: dict[str, Any] = {"sram": {}, "executed": {}}
    for schedule, edge in SCHEDULES:
        try:
            compiled = tflm_mcunet.compile(tflite, minimize="sram", schedule=schedule, input=edge, keep_dead_channels=True)
        except tflm_mcunet.Error as error:
            print(f"  {schedule} {edge}: {error}")
            continue
        report = compiled.report
        found["macs"], found["weights"] = report["macs"], report["flash"]["weights"]
        found["sram"][f"{schedule} {edge}"] = report["sram"]["arena"]
        found["executed"][f"{schedule} {edge}"] = report["macs_executed"]
    return found


def table(networks: dict[str, dict[str, Any]]) -> str:
    """The page."""
    lines = [
        "# MCUNet's published networks",
        "",
        "`python benchmarks/nas/mcunet.py --configs FOLDER`, FOLDER holding the JSON files that MIT HAN Lab published.",
        "",
        "Each is read into an `Architecture` (nas/published.py), built in Keras (nas/model.py), quantised with random weights,",
        "and compiled with `--minimize sram --target generic` under every schedule; memory does not depend on weights. Bytes",
        "of arena, the input included where it is whole; `x MACs` is what patches execute with their overlaps.",
        "",
        "| network | input | M MACs | bytes of constants | layer by layer | patches | x MACs | streamed | streamed, pulled |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in sorted(networks.items(), key=lambda item: item[1]["macs"]):
        sram, executed = found["sram"], found["executed"]
        more = f"{executed['patch whole'] / executed['layer whole']:.2f}" if "patch whole" in executed else ""
        cells = [
            name, str(found["resolution"]), f"{found['macs'] / 1e6:.1f}", f"{found['weights']:,}",
            f"{sram['layer whole']:,}", f"{sram['patch whole']:,}" if "patch whole" in sram else "", more,
            f"{sram['stream whole']:,}", f"{sram['stream pull']:,}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main(argv: Sequence[str]) -> None:
    """Measures what is missing, and writes the table."""
    results = HERE / "mcunet.json"
    networks = json.loads(results.read_text()) if results.exists() else {}
    for path in sorted(Path(CONFIGS.value).glob("*.json")):
        name = path.stem.removesuffix("_imagenet")
        if ONLY.value in name and (AGAIN.value or name not in networks):
            print(name, flush=True)
            networks[name] = measure(path)
            results.write_text(json.dumps(networks, indent=1) + "\n")
    (HERE / "mcunet.md").write_text(table(networks))


if __name__ == "__main__":
    app.run(main)
