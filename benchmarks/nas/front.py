"""Tabulates and draws trained networks: accuracy, memory and executed instructions, and which of them no other one beats.

    python benchmarks/nas/front.py --runs resnet-8=runs/fashion/resnet-8-0,searched@16KB=runs/searched/chosen-16KB-0/trained \
        --out front --title Fashion-MNIST

A run is NAME[@SRAM]=FOLDER, the folder one that `tflm-mcunet train` wrote, the limit what the network is compiled for. Writes
OUT.md, OUT.json and OUT.svg, in which the area of a point is its arena. A network is on the front if none is as accurate with at
most its arena and its instructions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

RUNS = flags.DEFINE_list("runs", None, "NAME[@SRAM]=FOLDER", required=True)
CORE = flags.DEFINE_string("core", "cortex-m4", "emulated core to count instructions on")
TITLE = flags.DEFINE_string("title", "", "of the drawing")
OUT = flags.DEFINE_string("out", None, "the files' path without suffix", required=True)

HEAD = ("network", "float", "int8", "int8, not trained quantised", "arena", "code and constants", "instructions", "MACs", "front")


def main(argv: Sequence[str]) -> None:
    """Measures, tabulates, draws."""
    found = [measured(*run.partition("=")[::2]) for run in RUNS.value]
    for each in found:
        each["front"] = not any(beats(other, each) for other in found)
    Path(f"{OUT.value}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [" | ".join(cells) for cells in (HEAD, ("---", *["---:"] * (len(HEAD) - 1)), *map(row, found))]
    Path(f"{OUT.value}.md").write_text("".join(f"| {line} |\n" for line in lines), encoding="utf-8")
    draw(found, Path(f"{OUT.value}.svg"))
    print(Path(f"{OUT.value}.md").read_text(encoding="utf-8"))


def measured(name: str, folder: str) -> dict[str, Any]:
    """Figures of one network."""
    name, _, limit = name.partition("@")
    command = ["bench", f"{folder}/model.tflite", "--on", CORE.value, "--json", *(["--sram", limit] if limit else [])]
    process = subprocess.run([sys.executable, "-m", "tflm_mcunet", *command], check=True, capture_output=True, text=True)
    bench = json.loads(process.stdout)
    metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    return {
        "network": name,
        "limit": limit,
        **{kind: metrics[kind]["accuracy"] for kind in ("float", "int8", "int8_without_training")},
        "arena": bench["arena"],
        "flash": sum(bench["sections"][part][kind] for part in ("model", "library") for kind in ("text", "rodata")),
        "instructions": bench["instructions"],
        "macs": bench["macs"],
        "seconds": metrics["seconds"],
    }


def beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether `one` is no worse than `other` in everything, and better in something."""
    costs = [(-each["int8"], each["arena"], each["instructions"]) for each in (one, other)]
    return costs[0] != costs[1] and all(a <= b for a, b in zip(*costs, strict=True))


def row(each: dict[str, Any]) -> list[str]:
    """A line of the table."""
    accuracies = [f"{100 * each[kind]:.2f}" for kind in ("float", "int8", "int8_without_training")]
    figures = [f"{each[name]:,}" for name in ("arena", "flash", "instructions", "macs")]
    name = f"{each['network']}, {each['limit']}" if each["limit"] else each["network"]
    return [name, *accuracies, *figures, "yes" if each["front"] else ""]


def draw(found: Sequence[dict[str, Any]], file: Path) -> None:
    """Accuracy over instructions."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "front"  # the same bytes from the same figures
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name in dict.fromkeys(each["network"] for each in found):
        points = [each for each in found if each["network"] == name]
        x, y = [each["instructions"] / 1e6 for each in points], [100 * each["int8"] for each in points]
        axes.scatter(x, y, s=[each["arena"] / 200 for each in points], label=name, alpha=0.7)
        for number, each in enumerate(points):
            point, place = (x[number], y[number]), (0, -20 if number % 2 else 12)
            axes.annotate(f"{each['arena'] / 1024:.1f} KB", point, place, textcoords="offset points", ha="center")
    axes.legend(markerscale=0.6)
    axes.margins(0.15, 0.2)
    axes.set(xlabel=f"million executed instructions ({CORE.value})", ylabel="int8 accuracy, %", title=TITLE.value)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    app.run(main)
