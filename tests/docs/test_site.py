"""The documentation: the site builds without warnings, and what stands in its code blocks runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("start/tflite.md", "start/keras.md", "start/firmware.md", "start/nas.md", "reports.md")
NEEDS = {"start/keras.md": "tensorflow", "start/tflite.md": "tflite_micro", "reports.md": "tflite_micro"}
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def test_the_site_builds_without_warnings(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        line, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for page, words in {
        "index": "byte for byte",
        "reference/cli": "--minimize",
        "reference/python": "representative_dataset",
        "reference/operators": "DEPTHWISE_CONV_2D",
        "reference/targets": "nano33ble",
        "benchmarks": "CMSIS-NN",
    }.items():
        path = tmp_path / "site" / ("index.html" if page == "index" else f"{page}/index.html")
        assert words in path.read_text(), page


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a model and labelled data, as the pages suppose."""
    example = ROOT / "examples" / "fashion_mnist"
    shutil.copy(example / "model.tflite", tmp_path / "model.tflite")
    with np.load(example / "samples.npz") as archive:
        np.savez(tmp_path / "test.npz", x=archive["input_0"], y=archive["labels"])
    return tmp_path


def run(command: list[str], desk: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=desk, capture_output=True, text=True, check=False, env=environment, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"


@pytest.mark.slow
@needs_cc
@pytest.mark.parametrize("page", PAGES)
def test_code_blocks_run(page: str, desk: Path) -> None:
    if page in NEEDS and importlib.util.find_spec(NEEDS[page]) is None:
        pytest.skip(f"{NEEDS[page]} is missing")
    ran = 0
    for line in filter(None, "\n".join(blocks(page, "sh")).splitlines()):
        program, *arguments = shlex.split(line)
        if program == "pip":
            continue  # the tests' own environment has it
        assert program == "tflm-mcunet", line
        if "bench" in arguments and shutil.which("qemu-system-arm") is None:
            continue
        run([sys.executable, "-m", "tflm_mcunet", *arguments], desk)
        ran += 1
    code = "\n".join(blocks(page, "python"))
    if code:
        (desk / "page.py").write_text(code)
        run([sys.executable, "page.py"], desk)
    assert ran or code


@needs_cc
def test_the_c_of_the_firmware_page_compiles(desk: Path) -> None:
    whole, pulled = blocks("start/firmware.md", "c")
    for name, text, options in (("whole", whole, []), ("pulled", pulled, ["--input", "pull"])):
        folder = desk / name
        run([sys.executable, "-m", "tflm_mcunet", "compile", "model.tflite", "--out", str(folder), *options], desk)
        (desk / f"{name}.c").write_text(text)
        run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{folder}", f"{name}.c"], desk)


def test_the_citation_names_the_papers() -> None:
    text = (ROOT / "CITATION.cff").read_text()
    for title in ("MCUNet: Tiny Deep Learning on IoT Devices", "MCUNetV2", "TensorFlow Lite Micro", "CMSIS-NN"):
        assert title in text
