"""Damaged models end in one-line errors: no traceback, no crash, no hang, no flood of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.worker import SECONDS, damaged
from tests.networks.compare import compare, run_sanitized
from tflm_mcunet.compiler import build
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.tflm import Tflm

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"


def folders() -> tuple[str, ...]:
    return (str(MODELS),) if MODELS.exists() else ()


def run(first: int, count: int) -> None:
    """Fails with one line per fault among these seeds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.worker", str(first), str(count), *folders()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60 + SECONDS * count,
        check=False,
    )
    lines = done.stdout.splitlines()
    finished = bool(lines) and lines[-1] == "done"
    faults = lines[:-1] if finished else [*lines, f"the worker ended with status {done.returncode}: {done.stderr[-2000:]}"]
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults[:50])


def test_damaged_models() -> None:
    run(0, 500)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 30_000, 2000))
def test_many_damaged_models(first: int) -> None:
    run(first, 2000)


def survivors(first: int, count: int) -> dict[str, bytes]:
    """Damaged models that still compile, by what was done to them; large ones left out."""
    found = {}
    for seed in range(first, first + count):
        what, model = damaged(seed, folders())
        try:
            program = build(model, "m.tflite")
        except Error:
            continue
        if len(model) < 100_000 and sum(t.bytes for t in program.graph.tensors()) < 1_000_000:
            found[f"seed {seed} ({what})"] = model
    return found


@pytest.mark.parametrize("first", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1000, 9000, 1000))])
def test_survivors(first: int) -> None:
    """What compiles in spite of the damage computes what TFLM computes, where TFLM accepts it, and does nothing undefined."""
    models = survivors(first, 1000 if first else 120)
    programs = [build(model, f"m{index}.tflite") for index, model in enumerate(models.values())]
    run_sanitized(programs)  # first, since a crash below would be that of the tests
    with Tflm(timeout=30) as oracle:
        outcomes = compare(list(models.values()), oracle)
    wrong = {
        what: f"{outcome.differing} bytes differ, {outcome.problem}"
        for what, outcome in zip(models, outcomes, strict=True)
        if not outcome.good and not outcome.problem.startswith("TflmError")
    }
    assert not wrong, wrong
