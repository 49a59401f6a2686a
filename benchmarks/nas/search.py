"""Searches under several limits and in several ways, trains what was found, and tabulates it.

    python benchmarks/nas/search.py --data speech_commands_mfcc.npz:mfcc_f32 --task keywords --space mfcc \
        --target stm32f412 --sram 4KB,8KB,16KB --out runs/keywords

Ways (`--ways`), to see what each part of the method is worth:

    chosen   the resolution and width that `search space` recommends within the limits
    whole    all resolutions and widths of the space in one supernet
    random   a resolution and width drawn at random, by --seed
    layer, patch    as chosen, but with that schedule alone

Every run is `tflm-mcunet search network` and then `tflm-mcunet train`; one that was killed goes on where it was. Searches in
the same resolutions and widths share one supernet, which knows no limits. `--both` goes to both commands (such as "--test 0.2
--batch 64"), what follows `--` to `search network` (such as --largest-epochs 10 --epochs 20 --iterations 10). Writes
OUT/search.md and OUT/search.json, and beside every winner `untrained.keras`, the same network with random weights, which
baselines.py trains as long as the baselines.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from nas import space

DATA = flags.DEFINE_string("data", None, "as for `tflm-mcunet train`", required=True)
TASK = flags.DEFINE_enum("task", "classification", ["classification", "keywords", "vww"], "as for `tflm-mcunet train`")
SPACE = flags.DEFINE_string("space", None, "as for `tflm-mcunet search`", required=True)
TARGET = flags.DEFINE_string("target", "stm32f412", "as for `tflm-mcunet search`")
SRAM = flags.DEFINE_list("sram", ["32KB"], "limits: one search each")
FLASH = flags.DEFINE_string("flash", None, "as for `tflm-mcunet search`")
LATENCY = flags.DEFINE_string("latency", None, "as for `tflm-mcunet search`")
INPUT = flags.DEFINE_enum("input", "whole", ["whole", "pull"], "as for `tflm-mcunet search`")
WAYS = flags.DEFINE_list("ways", ["chosen"], "chosen, whole, random, layer, patch")
EPOCHS = flags.DEFINE_integer("epochs", 30, "of fine-tuning what was found", lower_bound=0)
QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 8, "of quantisation-aware training", lower_bound=0)
PART = flags.DEFINE_string("part", None, "in place of what `search space` recommends, such as '--width 0.5'")
QAT_RATE = flags.DEFINE_float("qat_rate", 4e-4, "of quantisation-aware training")
BOTH = flags.DEFINE_string("both", "", "options of `search network` and `train`")
RATE = flags.DEFINE_float("rate", 1e-3, "of fine-tuning: the weights come from the supernet")
TAUGHT = flags.DEFINE_float("taught", 0.0, "share of the largest network's answers in the loss of fine-tuning", 0.0, 1.0)
CLASSES = flags.DEFINE_integer("classes", 0, "of the data, for `search space` (0: the space's)")
SEED = flags.DEFINE_integer("seed", 0, "of everything")
OUT = flags.DEFINE_string("out", None, "folder of the runs and of the table", required=True)


def tool(*arguments: Any) -> list[str]:
    """The command line of tflm-mcunet."""
    return [sys.executable, "-m", "tflm_mcunet", *map(str, arguments)]


def options(**values: Any) -> list[str]:
    """As the command line has them; None is left out."""
    return [text for name, value in values.items() if value is not None for text in (f"--{name.replace('_', '-')}", str(value))]


def limits(sram: str, way: str) -> list[str]:
    """What all commands are told."""
    schedule = way if way in ("layer", "patch") else "auto"
    return options(
        target=TARGET.value, space=SPACE.value, sram=sram, flash=FLASH.value, latency=LATENCY.value,
        schedule=schedule, input=INPUT.value, seed=SEED.value,
    )  # fmt: skip


def subspace(sram: str, way: str) -> list[str]:
    """The resolution and width to search in."""
    if PART.value is not None:
        return shlex.split(PART.value)
    if way == "whole":
        return []
    if way == "random":
        parts = space.load(SPACE.value).subspaces()
        part = parts[np.random.default_rng(SEED.value).integers(len(parts))]
        resolution, width = part.resolutions[0], part.widths[0]
    else:
        command = tool("search", "space", *limits(sram, way), *options(classes=CLASSES.value or None), "--json")
        choice = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["choice"]
        resolution, width = choice["resolution"], choice["width"]
    return options(resolution="x".join(map(str, resolution)), width=width)


def run(sram: str, way: str, extra: Sequence[str]) -> dict[str, Any]:
    """One search and the training of what it found; figures and seconds, remembered in its folder."""
    folder = Path(OUT.value) / f"{way}-{sram}-{SEED.value}"
    record = folder / "figures.json"
    if record.exists():
        return json.loads(record.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    data = [*options(data=DATA.value, task=TASK.value), *shlex.split(BOTH.value)]
    part, start = subspace(sram, way), time.monotonic()
    share_supernet(part, folder)
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        command = tool("search", "network", *limits(sram, way), *part, *data, "--out", folder / "search", *extra)
        subprocess.run(command, check=True, stdout=log, stderr=log)
        searched = time.monotonic() - start
        found = json.loads((folder / "search" / "search.json").read_text())
        network = folder / "search" / "network.keras"
        forget(network, folder / "untrained.keras")
        size = "{height}x{width}".format(**found["best"]["architecture"])
        compilation = options(target=TARGET.value, sram=sram, input=INPUT.value, seed=SEED.value)
        effort = options(epochs=EPOCHS.value, qat_epochs=QAT_EPOCHS.value, rate=RATE.value, qat_rate=QAT_RATE.value)
        if TAUGHT.value:
            effort += options(teacher=folder / "search" / "largest.keras", taught=TAUGHT.value)
        command = tool("train", *data, *options(size=size, model=network, out=folder / "trained"), *compilation, *effort)
        subprocess.run(command, check=True, stdout=log, stderr=log)
    figures = {
        "way": way,
        "limit": sram,
        "subspace": " ".join(part),
        "networks": len((folder / "search" / "networks.jsonl").read_text().splitlines()),
        "best": found["best"],
        "trained": json.loads((folder / "trained" / "metrics.json").read_text()),
        "search_seconds": round(searched),
        "seconds": round(time.monotonic() - start),
    }
    record.write_text(json.dumps(figures, indent=1) + "\n")
    return figures


def share_supernet(part: Sequence[str], folder: Path) -> None:
    """Takes the trained supernet of an earlier search in the same part of the space, where there is one."""
    (folder / "part.txt").write_text(" ".join(part))
    for other in sorted(Path(OUT.value).glob(f"*-{SEED.value}")):
        done = (other / "figures.json").exists() and (other / "part.txt").read_text() == " ".join(part)
        if done and not (folder / "search").exists():
            for phase in ("largest", "supernet"):
                shutil.copytree(other / "search" / phase, folder / "search" / phase)


def forget(network: Path, untrained: Path) -> None:
    """The network with random weights."""
    import tf_keras

    tf_keras.utils.set_random_seed(SEED.value)
    tf_keras.models.clone_model(tf_keras.models.load_model(network, compile=False)).save(untrained)


def row(figures: dict[str, Any]) -> list[str]:
    """A line of the table."""
    best, trained = figures["best"], figures["trained"]
    return [
        figures["way"], figures["limit"], figures["subspace"].replace("--", ""), f"{best['accuracy']:.2%}",
        *(f"{trained[kind]['accuracy']:.2%}" for kind in ("float", "int8")),
        *(f"{best[name]:,}" for name in ("sram", "flash", "instructions", "macs")),
        f"{figures['search_seconds']:,}", f"{figures['seconds']:,}",
    ]  # fmt: skip


HEAD = (
    "way", "limit", "resolution, width", "in the supernet (validation)", "float", "int8", "arena", "constants",
    "instructions (estimated)", "MACs", "search, s", "all, s",
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    """Runs what has not run yet, and writes the table."""
    found = [run(sram, way, argv[1:]) for way in WAYS.value for sram in SRAM.value]
    out = Path(OUT.value)
    (out / "search.json").write_text(json.dumps(found, indent=1) + "\n")
    lines = [" | ".join(cells) for cells in (HEAD, ["---"] * len(HEAD), *map(row, found))]
    (out / "search.md").write_text("".join(f"| {line} |\n" for line in lines))
    print((out / "search.md").read_text())


if __name__ == "__main__":
    app.run(main)
