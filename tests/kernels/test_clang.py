"""Every kernel builds with clang for arm-none-eabi too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tflm_mcunet import kernels
from tflm_mcunet.codegen.emit import kernel_folder
from tflm_mcunet.execute.cores import CORES

FOLDERS = {"cortex-m3": ("portable",), "cortex-m7": ("portable", "dsp"), "cortex-m55": ("portable", "dsp", "mve")}
SMALL = "mcu_conv2d_small_dsp.h"
"""Another build of the functions in mcu_conv2d_dsp.h."""


def library_headers() -> Path:
    """Where gcc finds the headers of its C library, which clang does not know."""
    command = ["arm-none-eabi-gcc", "-xc", "-E", "-"]
    text = subprocess.run(command, input="#include <string.h>", capture_output=True, text=True, check=True).stdout
    return Path(re.findall(r'^# 1 "(.*)/string\.h"', text, re.MULTILINE)[0])


@pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
@pytest.mark.parametrize("core", FOLDERS)
@pytest.mark.parametrize("without", [SMALL, "mcu_conv2d_dsp.h"])
def test_every_kernel(core: str, without: str, tmp_path: Path) -> None:
    """Headers without a warning, and the assembly of all functions that events call."""
    folders = [kernel_folder() / name for name in ("include", *FOLDERS[core])]
    headers = sorted(path.name for folder in folders for path in folder.glob("*.h") if path.name != without)
    functions = json.loads((Path(kernels.__file__).parent / "code.json").read_text())[core]
    text = [*(f'#include "{name}"' for name in headers), f"extern const mcu_kernel all[{len(functions)}];"]
    text.append(f"const mcu_kernel all[] = {{{', '.join(functions)}}};\n")
    (tmp_path / "all.c").write_text("\n".join(text))
    command = ["clang", "--target=arm-none-eabi", *CORES[core].flags, "-mthumb", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror"]
    command += [f"-isystem{library_headers()}", *(f"-I{path}" for path in folders), "-c", "all.c", "-o", "all.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
