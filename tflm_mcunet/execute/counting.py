"""Exact instruction counts from QEMU: builds the plugin, names its arguments and reads what it wrote."""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_mcunet.execute import cores
from tflm_mcunet.execute.build import call, host_compiler
from tflm_mcunet.execute.generated import RunError
from tflm_mcunet.execute.image import Image

_ELSEWHERE = (1 << 64) - 1
_RECORD = np.dtype([("address", np.uint64), ("count", np.uint64)])


@dataclass(frozen=True)
class Counts:
    """Executed instructions of one inference, the harness and its row source left out.

    Attributes:
        total: all of them, from the first instruction of invoke to its return, both included. Nothing is added by
            measuring: an invoke that returns at once counts its own two instructions.
        functions: the same by function, the largest first. Static functions of one name in several files share a line.
        addresses: the same by address of the instruction.
    """

    total: int
    functions: dict[str, int]
    addresses: dict[int, int]


@functools.cache
def plugin() -> Path:
    """The counting plugin, compiled once per process; raises BuildError, ToolMissing."""
    folder = tempfile.mkdtemp(prefix="tflm_mcunet_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "count.so"
    lazy = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    flags = ["-std=gnu99", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", *lazy]
    call([*host_compiler(), *flags, cores.FOLDER / "count.c", "-o", path])
    return path


def plugin_argument(image: Image, out: str) -> str:
    """The value of QEMU's -plugin option that counts the first inference of `image` into the file `out`."""
    begin, end = image.symbols["harness_begin"], image.symbols["harness_end"]
    code = image.symbols["vectors"]
    size = image.symbols["code_end"] - code
    return f"{plugin()},out={out},begin={begin:#x},end={end:#x},code={code:#x},bytes={size}"


def read_counts(image: Image, file: Path) -> Counts:
    """What the plugin wrote to `file`; raises RunError where it did not, or code ran outside .text."""
    if not file.exists():
        raise RunError("QEMU counted nothing: its plugin interface is switched off, or no inference ran")
    records = np.fromfile(file, _RECORD)
    addresses = {int(address): int(count) for address, count in records.tolist()}
    if _ELSEWHERE in addresses:
        raise RunError(f"{addresses[_ELSEWHERE]} instructions ran outside the image's code")
    addresses = {address: count for address, count in addresses.items() if image.owner_at(address) != "harness"}
    functions: Counter[str] = Counter()
    for address, count in addresses.items():
        functions[image.function_at(address)] += count
    return Counts(sum(addresses.values()), dict(functions.most_common()), addresses)
