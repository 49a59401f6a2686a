"""The example that feeds a network from a bitmap in flash runs on emulated cores, by the commands of its page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.export.projects import needs_qemu, run
from tflm_mcunet.cli import main, parse

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/pull_bitmap"


def commands() -> list[list[str]]:
    """The indented lines of the page, continuation lines joined."""
    text = (EXAMPLE / "README.md").read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^    (.+)$", text, re.MULTILINE)]


def test_the_bitmap_is_the_picture():
    namespace: dict = {"__name__": "bitmap"}
    exec((EXAMPLE / "bitmap.py").read_text(), namespace)
    picture = ROOT / "examples/fashion_mnist/ankle_boot.pgm"
    assert namespace["header"](picture.read_bytes(), picture.name) == (EXAMPLE / "bitmap.h").read_text()


@needs_qemu
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m55"])
def test_the_page_works_and_names_the_picture(core, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    compile_, copy, make = commands()
    out = str(tmp_path / "out")
    steps = [
        [word.replace("build/pull_bitmap", out).replace("cortex-m4", core) for word in step] for step in (compile_, copy, make)
    ]
    assert main(parse(steps[0])) == 0
    run(steps[1])
    assert "it is: Ankle boot\n" in run(steps[2])
