"""Damaged models end in one-line errors: no traceback, no crash, no hang, no flood of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.worker import SECONDS

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"


def run(first: int, count: int) -> None:
    """Fails with one line per fault among these seeds."""
    folders = [str(MODELS)] if MODELS.exists() else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.worker", str(first), str(count), *folders],
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
