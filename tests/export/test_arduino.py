"""Arduino: arduino-lint's rules hold, the .zip is the folder, and a sketch links for AVR as the IDE builds it."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from tests.build import ModelBuilder
from tests.export.arduino_lint import lint
from tests.export.projects import run, small
from tflm_mcunet.export.arduino import library_name

AVR_CORE = Path(os.environ.get("ARDUINO_AVR_CORE", "/usr/share/arduino/hardware/arduino/avr"))


def unpacked(packed: bytes, folder: Path) -> Path:
    """The library's folder from its archive."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    (library,) = folder.iterdir()
    return library


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


@pytest.mark.skipif(shutil.which("avr-g++") is None or not AVR_CORE.is_dir(), reason="Debian's arduino-core-avr is missing")
def test_a_sketch_builds_for_avr_as_the_ide_builds_it(tmp_path):
    """The IDE's recipe: the .ino with a line in front, every source below src/, the core, and one link; here for an Uno.

    Debian's compiler is older than its core, which takes DECIMAL_DIG from C++11.
    """
    compiled = tflm_mcunet.compile(tiny_model(), name="tiny", export="arduino", extras=("self-test",))
    library = unpacked(compiled.contents["tiny.zip"], tmp_path / "zip")
    assert lint(library) == []
    sketch = tmp_path / "Generic.ino.cpp"
    sketch.write_text("#include <Arduino.h>\n" + (library / "examples/Generic/Generic.ino").read_text())
    core = AVR_CORE / "cores/arduino"
    uno = [
        "-mmcu=atmega328p",
        "-DDECIMAL_DIG=17",
        "-DF_CPU=16000000L",
        "-DARDUINO=10819",
        "-DARDUINO_AVR_UNO",
        "-DARDUINO_ARCH_AVR",
    ]
    common = [*uno, "-Os", "-w", "-ffunction-sections", "-fdata-sections", "-flto", "-fno-fat-lto-objects"]
    paths = [f"-I{path}" for path in (core, AVR_CORE / "variants/standard", library / "src")]
    objects = []
    cpp = ["avr-g++", "-std=gnu++11", "-fno-exceptions", "-fno-threadsafe-statics", "-fpermissive"]
    for source in [sketch, *(library / "src").rglob("*.c"), *core.glob("*.c"), *core.glob("*.cpp"), *core.glob("*.S")]:
        compiler = (
            cpp
            if source.suffix == ".cpp"
            else ["avr-gcc"] + (["-std=gnu11"] if source.suffix == ".c" else ["-x", "assembler-with-cpp"])
        )
        objects.append(tmp_path / f"{source.name}.o")
        run([*compiler, *common, *paths, "-c", source, "-o", objects[-1]])
    run(["avr-gcc", *common, "-fuse-linker-plugin", "-Wl,--gc-sections", *objects, "-lm", "-o", tmp_path / "sketch.elf"])
    run(["avr-objcopy", "-O", "ihex", "-R", ".eeprom", tmp_path / "sketch.elf", tmp_path / "sketch.hex"])
    sizes = run(["avr-size", "-A", tmp_path / "sketch.elf"])
    used = {line.split()[0]: int(line.split()[1]) for line in sizes.splitlines() if line.startswith(".")}
    assert used[".text"] + used[".data"] < 32256
    assert used[".data"] + used[".bss"] < 2048
