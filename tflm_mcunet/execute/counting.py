"""Exact instruction counts from QEMU: builds the plugin, names its arguments and reads what it wrote."""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tflm_mcunet.execute import cores
from tflm_mcunet.execute.build import call, host_compiler
from tflm_mcunet.execute.generated import RunError
from tflm_mcunet.execute.image import Image

_ELSEWHERE = (1 << 64) - 1
_FIELDS = 4
COUNTS_FILE = "counts.bin"
ORDER_FILE = "order.bin"


@dataclass(frozen=True)
class Part:
    """What ran in one part of an inference: executions by address, and those after which another place followed."""

    addresses: Mapping[int, int]
    taken: Mapping[int, int]

    @property
    def total(self) -> int:
        """Executed instructions."""
        return sum(self.addresses.values())


@dataclass(frozen=True)
class Counts:
    """Executed instructions of one inference, the harness and its row source left out.

    Attributes:
        total: all of them, from the first instruction of invoke to its return, both included. Nothing is added by
            measuring: an invoke that returns at once counts its own two instructions.
        functions: the same by function, the largest first. Static functions of one name in several files share a line.
        addresses: the same by address of the instruction.
        taken: by address of a block's last instruction, how often something else followed than the next instruction; empty
            where that was not counted.
        parts: what ran in each part of the inference, by its number; part 0 is what ran before the first call.
    """

    total: int
    functions: dict[str, int]
    addresses: dict[int, int]
    taken: dict[int, int]
    parts: dict[int, Part]


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


def plugin_argument(
    image: Image, folder: Path, calls: Sequence[int] = (), order: Sequence[int] = (), *, branches: bool = False
) -> str:
    """The value of QEMU's -plugin option that counts the first inference of `image`; QEMU runs in `folder`.

    `branches`: also count those that are taken.
    The k-th time that an instruction at one of the addresses `calls` is reached, part `order[k]` of the inference begins.
    """
    begin, end = image.symbols["harness_begin"], image.symbols["harness_end"]
    code = image.symbols["vectors"]
    size = image.symbols["code_end"] - code
    (folder / COUNTS_FILE).unlink(missing_ok=True)
    np.array(order, np.uint32).tofile(folder / ORDER_FILE)
    marks = "".join(f",call={address:#x}" for address in calls)
    where = f"begin={begin:#x},end={end:#x},code={code:#x},bytes={size}"
    return f"{plugin()},out={COUNTS_FILE},{where},order={ORDER_FILE},branches={int(branches)}{marks}"


def read_counts(image: Image, folder: Path, passes: int = 0) -> Counts:
    """What the plugin wrote; raises RunError where it did not, code ran outside .text, or there were not `passes` calls."""
    file = folder / COUNTS_FILE
    if not file.exists():
        raise RunError("QEMU counted nothing: its plugin interface is switched off, or no inference ran")
    words = np.fromfile(file, np.uint64)
    if words[0] != passes:
        raise RunError(f"the schedule has {passes} events, {words[0]} were seen: the profile would be wrong")
    total, taken = Counter[int](), Counter[int]()
    parts: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
    for part, address, count, leaps in words[1:].reshape(-1, _FIELDS).tolist():
        if address == _ELSEWHERE:
            raise RunError(f"{count} instructions ran outside the image's code")
        if image.owner_at(address) == "harness":
            continue
        counts, leaves = parts.setdefault(part, ({}, {}))
        counts[address] = count
        total[address] += count
        if leaps:
            leaves[address] = leaps
            taken[address] += leaps
    functions: Counter[str] = Counter()
    for address, count in total.items():
        functions[image.function_at(address)] += count
    return Counts(
        sum(total.values()),
        dict(functions.most_common()),
        dict(total),
        dict(taken),
        {number: Part(*content) for number, content in parts.items()},
    )
