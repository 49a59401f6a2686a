"""Compiles damaged models within limits of time and memory: `python -m tests.hostile.worker FIRST COUNT FOLDER...`.

Prints one line per fault: the seed, what was done to which model, and what happened. A fault is anything but success or an
Error with one line. It runs in a process of its own, whose limits and crashes concern nobody else.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
import traceback
import warnings
from functools import cache
from pathlib import Path
from types import FrameType

import numpy as np

from tests.hostile.mutate import mutate
from tests.networks.generate import generate_seeded
from tflm_mcunet.compiler import build
from tflm_mcunet.errors import Error
from tflm_mcunet.operators import OPERATORS

SECONDS = 10
MEMORY = 2 << 30
SMALL = 64 << 10
"""Published models above this are damaged less often: rewriting and planning them takes most of the time."""


class TooSlow(BaseException):
    """A compilation took longer than SECONDS; not an Exception, so that nobody swallows it."""


@cache
def published(folders: tuple[str, ...]) -> list[tuple[str, bytes]]:
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.tflite"))]
    return [(file.name, file.read_bytes()) for file in files]


@cache
def generated(seed: int) -> bytes:
    """A small network. A few hundred serve as bases again and again."""
    return generate_seeded(seed, OPERATORS, operators=6).model


def base(rng: np.random.Generator, folders: tuple[str, ...]) -> tuple[str, bytes]:
    files = published(folders)
    small = [file for file in files if len(file[1]) < SMALL]
    if small and rng.random() < 0.15:
        return small[int(rng.integers(len(small)))]
    if files and rng.random() < 0.01:
        return files[int(rng.integers(len(files)))]
    seed = int(rng.integers(400))
    return f"network {seed}", generated(seed)


def damaged(seed: int, folders: tuple[str, ...]) -> tuple[str, bytes]:
    """The model of a seed, and where it comes from."""
    rng = np.random.default_rng(seed)
    name, model = base(rng, folders)
    done, result = mutate(model, rng)
    return f"{name}, {done}", result


def expire(number: int, frame: FrameType | None) -> None:
    raise TooSlow


def fault(model: bytes) -> str | None:
    """Compiles a model; what is wrong with how that ended."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        build(model, "m.tflite")
    except Error as error:
        text = str(error)
        return None if text and "\n" not in text and len(text) < 1000 else f"message {text!r:.300}"
    except TooSlow:
        return f"longer than {SECONDS} s"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]!r} at {Path(place.filename).name}:{place.lineno} {place.name}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def main(first: int, count: int, folders: tuple[str, ...]) -> None:
    """Reports all faults among seeds [first, first + count) on stdout, and the slowest on stderr."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error")  # NumPy's would reach the user's terminal
    signal.signal(signal.SIGALRM, expire)
    slowest, total = (0.0, -1), 0.0
    for seed in range(first, first + count):
        what, model = damaged(seed, folders)
        start = time.perf_counter()
        found = fault(model)
        taken = time.perf_counter() - start
        slowest, total = max(slowest, (taken, seed)), total + taken
        if found:
            print(f"seed {seed} ({what}): {found}", flush=True)
    print(f"{total:.1f} s, the slowest {slowest[0]:.2f} s for seed {slowest[1]}", file=sys.stderr)
    print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[3:]))
