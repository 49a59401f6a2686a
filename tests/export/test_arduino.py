"""Arduino: arduino-lint's rules hold, the .zip is the folder, and Arduino's own builder makes sketches that run on AVR."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.build import ModelBuilder
from tests.export.arduino_lint import lint
from tests.export.projects import answer, run, small
from tests.models import small_network
from tflm_mcunet.export.arduino import library_name

AVR_CORE = Path(os.environ.get("ARDUINO_AVR_CORE", "/usr/share/arduino/hardware/arduino/avr"))
needs_arduino = pytest.mark.skipif(
    not all(map(shutil.which, ("arduino-builder", "avr-gcc", "simavr"))) or not AVR_CORE.is_dir(),
    reason="arduino-builder, arduino-core-avr or simavr is missing",
)


def unpacked(packed: bytes, folder: Path) -> Path:
    """The library's folder from its archive."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
        (name,) = {entry.split("/")[0] for entry in archive.namelist()}
    return folder / name


@pytest.mark.parametrize("input", ["whole", "pull"])
@pytest.mark.parametrize("name", ["tiny", "arduino_net", "_hidden", "a" * 80])
def test_the_rules_of_arduino_lint_hold(name, input, tmp_path):
    extras = ("self-test", "camera") if input == "pull" else ("tflm",)
    compiled = small("arduino", tmp_path / "out", name=name, input=input, extras=extras)
    library = unpacked(compiled.contents[f"{library_name(name)}.zip"], tmp_path / "zip")
    assert lint(library) == []
    assert library.name == library_name(name)
    assert (library / "examples/Camera/Camera.ino").exists() == (input == "pull")


def test_the_archive_holds_the_folder(tmp_path):
    small("arduino", tmp_path / "out")
    library = unpacked((tmp_path / "out/tiny.zip").read_bytes(), tmp_path / "zip")
    packed = {path.relative_to(library): path.read_bytes() for path in library.rglob("*") if path.is_file()}
    written = {path.relative_to(tmp_path / "out"): path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert packed == {name: content for name, content in written.items() if name.name not in ("tiny.zip", "report.json")}


@pytest.mark.parametrize(("board", "section"), [("portenta-h7", ".dtcm"), ("nano33ble", None)])
def test_the_readme_names_the_section_of_faster_memory(board, section, tmp_path):
    small("arduino", tmp_path, target=board)
    text = (tmp_path / "README.md").read_text()
    line = f'#define TINY_ARENA_ATTRIBUTES __attribute__((section("{section}")))'
    assert (line in text) == ("TINY_ARENA" in text) == (section is not None)


def test_lint_finds_what_is_wrong(tmp_path):
    small("arduino", tmp_path / "tiny")
    properties = tmp_path / "tiny/library.properties"
    properties.write_text(properties.read_text().replace("category=Data", "category=Dato").replace("version=1.0.0", "version=1"))
    (tmp_path / "tiny/examples/Generic/Generic.ino").rename(tmp_path / "tiny/examples/Generic/Other.ino")
    assert lint(tmp_path / "tiny") == ["version is not semantic", "category", "sketch Generic"]


def tiny_model() -> bytes:
    """One fully connected layer of 4 inputs, which fits an Arduino Uno."""
    b = ModelBuilder()
    x = b.input((1, 4))
    weights = b.constant(np.arange(12).reshape(3, 4) - 5, scale=0.01)
    answer = b.tensor((1, 3), scale=0.3, zero_point=-7)
    b.operator("FULLY_CONNECTED", [x, weights, -1], [answer], "FullyConnectedOptions")
    return b.build([answer])


def run_on_avr(sketch: Path, libraries: Path, board: str, chip: str, folder: Path) -> str:
    """Builds a sketch as Arduino's own builder does, and returns what an emulated board sends to the serial port.

    Debian's compiler is older than its core, which takes DECIMAL_DIG from C++11.
    """
    for name in ("hardware", "tools", "build"):
        (folder / name).mkdir()
    (folder / "hardware/arduino").symlink_to(AVR_CORE.parent)
    shutil.copy("/usr/share/arduino-builder/platform.txt", folder / "hardware")
    places = {
        "hardware": folder / "hardware",
        "tools": folder / "tools",
        "libraries": libraries,
        "build-path": folder / "build",
    }
    preferences = ["-prefs=runtime.tools.avr-gcc.path=/usr", "-prefs=build.extra_flags=-DDECIMAL_DIG=17"]
    command = ["arduino-builder", "-compile", f"-fqbn={board}", "-warnings=all", *preferences]
    log = run([*command, *(f"-{name}={place}" for name, place in places.items()), sketch])
    assert f"{libraries}/" not in log, "a warning in a library"
    image = folder / f"build/{sketch.name}.elf"
    emulator = ["timeout", "4", "simavr", "-m", chip, "-f", "16000000", image]
    done = subprocess.run(list(map(str, emulator)), capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@needs_arduino
@pytest.mark.parametrize(
    ("model", "input", "board", "chip"),
    [
        (tiny_model(), "whole", "arduino:avr:uno", "atmega328p"),
        (small_network(), "pull", "arduino:avr:mega:cpu=atmega2560", "atmega2560"),
    ],
    ids=["uno", "mega"],
)
def test_arduinos_tools_build_the_library_and_it_computes_on_avr(model, input, board, chip, tmp_path):
    compiled = tflm_mcunet.compile(model, name="tiny", export="arduino", input=input, extras=("self-test",))
    library = unpacked(compiled.contents["tiny.zip"], tmp_path / "libraries")
    text = run_on_avr(library / "examples/Generic/Generic.ino", library.parent, board, chip, tmp_path)
    assert answer(compiled) in text
    assert "self-test passed" in text
