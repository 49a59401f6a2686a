"""The guides as a new user follows them: every command runs, every piece of C compiles for a Cortex-M."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.export.projects import STUBS, WARNINGS, needs_cross, needs_qemu, run, small
from tests.models import small_network
from tests.rewrite.networks import with_unsupported
from tflm_mcunet.cli import main, parse
from tflm_mcunet.options import EXPORTS, EXTRAS

GUIDES = Path(__file__).parents[2] / "docs/guides"
SECTIONS = re.split(r"^## ", (GUIDES / "firmware.md").read_text(), flags=re.MULTILINE)[1:]
SECTIONS = [section for section in SECTIONS if "```c\n" in section]
M7 = ("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-std=gnu11", *WARNINGS)


def commands(page: str) -> list[list[str]]:
    """The indented command lines of a page, up to their comments."""
    lines = re.findall(r"^    (\S.*)$", (GUIDES / page).read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines if re.match(r"(tflm-mcunet|make|cmake|cd) ", line)]


def test_every_export_has_its_page_and_every_extra_its_section():
    assert {path.stem for path in GUIDES.glob("*.md")} >= set(EXPORTS)
    for export in EXPORTS:
        assert (GUIDES / f"{export}.md").read_text().split("\n")[2].startswith("Needs: ")
    text = (GUIDES / "firmware.md").read_text()
    assert all(f"--with {extra}" in text for extra in EXTRAS)
    for page in GUIDES.glob("*.md"):
        for link in re.findall(r"\]\(([\w.-]+)\)", page.read_text()):
            assert (GUIDES / link).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", sorted(path.name for path in GUIDES.glob("*.md")))
def test_compile_commands_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("model", "person_detect"):
        (tmp_path / f"{name}.tflite").write_bytes(with_unsupported() if page == "rewrite.md" else small_network())
    for command in commands(page):
        if command[0] == "tflm-mcunet" and command[1] in ("compile", "rewrite"):
            assert main(parse(command)) == 0
            out = Path(command[command.index("--out") + 1])
            out = out.with_name(f"{out.stem}_stages") if command[1] == "rewrite" else out
            assert any(out.rglob("*.c"))
            shutil.rmtree(out)


@needs_qemu
@pytest.mark.parametrize("page", ["make.md", "cmake.md"])
def test_all_commands_run(page, tmp_path, monkeypatch):
    if page == "cmake.md" and shutil.which("cmake") is None:
        pytest.skip("cmake is missing")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.tflite").write_bytes(small_network())
    text = ""
    for command in commands(page):
        if command[0] == "tflm-mcunet":
            assert main(parse(command)) == 0
            (tmp_path / "model/input.bin").write_bytes(bytes(90))
        else:
            text += run(["bash", "-c", shlex.join(command).replace("'&&'", "&&")])
    assert text.count("answer ") == {"make.md": 3, "cmake.md": 1}[page]


@needs_cross
@pytest.mark.parametrize("section", SECTIONS, ids=[section.splitlines()[0][:40] for section in SECTIONS])
def test_snippets_compile(section, tmp_path):
    heading, _, body = section.partition("\n")
    snippets = re.findall(r"```c\n(.*?)```", body, re.DOTALL)
    extras = tuple(re.findall(r"--with ([\w-]+)", heading))
    extras = ("hooks",) if "PROFILE" in heading else extras
    compiled = small(None, tmp_path, name="model", extras=extras, input="pull" if "--input pull" in heading else "whole")
    small(None, tmp_path, name="other")
    assert compiled.program.options.extras == extras
    (tmp_path / "snippet.c").write_text('#include "board.h"\n#include "model.h"\n#include "other.h"\n' + "\n".join(snippets))
    defines = ["-DMODEL_PROFILE"] if "PROFILE" in heading else []
    defines += ["-DMODEL_EXTERNAL_ARENA", "-DOTHER_EXTERNAL_ARENA"] if "share one arena" in heading else []
    defines += ["-DMODEL_INPUT_TAKEN=take_next"] if "double-buffer" in extras else []
    defines += ["-DMODEL_YIELD=feed_watchdog", "-DMODEL_YIELD_STEPS=4"] if "watchdog" in heading else []
    for source in sorted(tmp_path.glob("*.c")):
        unused = ["-Wno-unused-function", "-Wno-missing-prototypes"] if source.name == "snippet.c" else []
        run(
            [
                "arm-none-eabi-gcc",
                *M7,
                *unused,
                *defines,
                f"-I{tmp_path}",
                f"-I{STUBS}/guides",
                "-c",
                source,
                "-o",
                tmp_path / "out.o",
            ]
        )
