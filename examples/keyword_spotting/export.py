"""Compiles a bundled keyword network with its front end.

python export.py --model searched.tflite --target cortex-m4 --out firmware
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

import tflm_mcunet
from nas.data.mfcc import Mfcc
from nas.tasks.frontend import frontend_files

HERE = Path(__file__).parent
MODEL = flags.DEFINE_enum("model", "model.tflite", ["model.tflite", "searched.tflite"], "network of this folder")
TARGET = flags.DEFINE_string("target", "generic", "board or core")
OUT = flags.DEFINE_string("out", "firmware", "folder to write")


def main(argv: Sequence[str]) -> None:
    """Writes network, front end and main.c."""
    out = Path(OUT.value)
    compiled = tflm_mcunet.compile(HERE / MODEL.value, target=TARGET.value, name="keywords")
    compiled.write(out)
    entry = compiled.program.graph.inputs[0]
    frontend = Mfcc(normalise=True)  # as the training data was made: sounds relative to their loudest sample
    files = frontend_files(frontend, "keywords", entry.scale, entry.zero_point)
    for name, text in {**files, "main.c": (HERE / "main.c").read_text(encoding="utf-8")}.items():
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
