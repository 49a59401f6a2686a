"""Measures the code of kernels, compiled with -Os: writes tflm_mcunet/kernels/code.json, from which `--minimize flash` chooses.

    python benchmarks/kernels/code_size.py

Every C function that an event of the reference models may call is linked alone, with nothing but what it needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from absl import app, flags

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tflm_mcunet.codegen.emit import kernel_folder  # noqa: E402
from tflm_mcunet.compiler import build  # noqa: E402
from tflm_mcunet.execute.cores import CORES  # noqa: E402
from tflm_mcunet.kernels.flash import function_of, offered  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402

MEASURED = ("cortex-m3", "cortex-m7", "cortex-m55")
FOLDERS = ("include", "portable", "dsp", "mve")

FLAGS = flags.FLAGS
flags.DEFINE_string("shared", str(ROOT.parent / "shared"), "folder that holds models/", allow_override=True)


def functions(core: str) -> dict[str, str]:
    """The C functions of the reference models' operators on a core, in all kernels, and their headers."""
    options = Options(target=core, io="int8", schedule="layer")
    portable = Options(target="generic", io="int8", schedule="layer", sram=1 << 22)
    found = {"mcu_inverted_bottleneck": "mcu_inverted_bottleneck.h"}  # which takes a budget of work
    paths = [*(Path(FLAGS.shared) / "models").glob("*.tflite"), ROOT / "examples" / "fashion_mnist" / "model.tflite"]
    for path in sorted(paths):
        for op in build(path.read_bytes(), path.stem, portable).lowered.operators:
            plain = next((base for base in type(op).__mro__ if base.__module__.startswith("tflm_mcunet.operators")), type(op))
            same = plain(**{f.name: getattr(op, f.name) for f in fields(plain)})
            for new, _ in offered(same, options.board.features):
                record = new.record()
                found[function_of(new)] = record.header or f"mcu_{record.kernel}.h"
    return dict(sorted(found.items()))


def sizes(function: str, header: str, core: str) -> dict[str, int]:
    """Bytes of the functions that an image with this one holds."""
    source = f'#include "{header}"\nextern const mcu_kernel keep;\nconst mcu_kernel keep = {function};\n'
    includes = [f"-I{kernel_folder() / folder}" for folder in FOLDERS]
    compiler = ["arm-none-eabi-gcc", *CORES[core].flags, "-mthumb", "-std=c99", "-Os", "-ffunction-sections", "-fdata-sections"]
    linker = ["-nostdlib", "-Wl,--gc-sections,-e,keep,--unresolved-symbols=ignore-all"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "one.c").write_text(source)
        for command in ([*compiler, *includes, *linker, "one.c", "-o", "one.elf"], ["arm-none-eabi-nm", "-S", "one.elf"]):
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    # Names without what the compiler appends to those of its own variants.
    return {m[2]: int(m[1], 16) for m in re.finditer(r"^\w+ (\w+) [tT] (\w+)", done.stdout, re.MULTILINE)}


def main(arguments: Sequence[str]) -> None:
    """Measures and writes."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]}")
    table = {
        core: {f: sizes(f, header, core) for f, header in functions(core).items()}
        for core in ("cortex-m3", "cortex-m7", "cortex-m55")
    }
    (ROOT / "tflm_mcunet" / "kernels" / "code.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
