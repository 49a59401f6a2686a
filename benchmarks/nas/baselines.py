"""Trains the baselines on one data set and tabulates accuracy, memory and executed instructions.

    python benchmarks/nas/baselines.py --data fashion_mnist_28.npz --models resnet-8,mobilenet-v1-0.25 --epochs 12 --out runs

Every network is trained by `tflm-mcunet train` with the same options; a run that was killed goes on where it was. What follows
`--` goes to `train`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

DATA = flags.DEFINE_string("data", None, "as for `tflm-mcunet train`", required=True)
TASK = flags.DEFINE_enum("task", "classification", ["classification", "keywords", "vww"], "as for `tflm-mcunet train`")
MODELS = flags.DEFINE_list("models", ["ds-cnn", "mobilenet-v1-0.25", "mobilenet-v2-0.35", "resnet-8"], "names or Keras files")
EPOCHS = flags.DEFINE_integer("epochs", 30, "of float training", lower_bound=0)
QAT_EPOCHS = flags.DEFINE_integer("qat_epochs", 8, "of quantisation-aware training", lower_bound=0)
SEEDS = flags.DEFINE_list("seeds", ["0"], "one training of every network per seed")
CORE = flags.DEFINE_string("core", "cortex-m4", "emulated core to count instructions on")
OUT = flags.DEFINE_string("out", None, "folder of the runs and of the table", required=True)


def main(argv: Sequence[str]) -> None:
    """Trains what is not trained yet, and writes OUT/baselines.md."""
    rows = [measured(model, argv[1:]) for model in MODELS.value]
    head = [
        "network",
        "float",
        "int8",
        "int8, not trained quantised",
        "arena",
        "weights",
        f"instructions ({CORE.value})",
        "MACs",
        "s",
    ]
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]]
    (Path(OUT.value) / "baselines.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def measured(model: str, extra: Sequence[str]) -> list[str]:
    """A line of the table: means over the seeds, with the standard deviation where there are several."""
    name = Path(model).name.removesuffix(".keras").removesuffix(".h5")
    folders = [Path(OUT.value) / f"{name}-{seed}" for seed in SEEDS.value]
    runs = [trained(model, seed, folder, extra) for seed, folder in zip(SEEDS.value, folders, strict=True)]
    command = ["bench", folders[0] / "model.tflite", "--on", CORE.value, "--json"]
    bench = json.loads(subprocess.run(tool(command), check=True, capture_output=True, text=True).stdout)
    accuracies = [accuracy(runs, key) for key in ("float", "int8", "int8_without_training")]
    figures = [bench["arena"], runs[0]["flash"]["weights"], bench["instructions"], runs[0]["macs"]]
    seconds = round(np.mean([run["seconds"] for run in runs]))
    return [name, *accuracies, *[f"{figure:,}" for figure in figures], f"{seconds:,}"]


def trained(model: str, seed: str, folder: Path, extra: Sequence[str]) -> dict[str, Any]:
    """The figures of one training, made where they are not there yet."""
    if not (folder / "metrics.json").exists():
        options = {"data": DATA.value, "task": TASK.value, "model": model, "out": folder, "seed": seed}
        options |= {"epochs": EPOCHS.value, "qat-epochs": QAT_EPOCHS.value}
        folder.mkdir(parents=True, exist_ok=True)
        command = ["train", *[text for name, value in options.items() for text in (f"--{name}", value)], *extra]
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            subprocess.run(tool(command), check=True, stdout=log, stderr=log)
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def tool(arguments: Sequence[Any]) -> list[str]:
    """The command line of tflm-mcunet."""
    return [sys.executable, "-m", "tflm_mcunet", *map(str, arguments)]


def accuracy(runs: Sequence[dict[str, Any]], key: str) -> str:
    """In percent."""
    values = 100 * np.array([run[key]["accuracy"] for run in runs])
    return f"{values.mean():.2f}" + (f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else "")


if __name__ == "__main__":
    app.run(main)
