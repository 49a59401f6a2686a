"""Each ecosystem's build system takes its export, and two of them: the examples run on this machine, two networks in one image.

The build systems are stand-ins with what exports use of Zephyr's, ESP-IDF's and Mbed CE's; arduino-builder and CMake are real.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import tflm_mcunet
from tests.export.projects import STUBS, answer, run, small
from tests.export.test_arduino import needs_arduino, run_on_avr, tiny_model, unpacked
from tflm_mcunet.compiled import Compiled

needs_cmake = pytest.mark.skipif(not all(map(shutil.which, ("cmake", "c++"))), reason="cmake or a host compiler is missing")
NAMES = ("first", "second")
BOTH = """
#include <stdio.h>
#include "first_self_test.h"
#include "second_self_test.h"

int both(void);
int both(void)
{
    return printf("wrong bytes: %d %d\\n", first_self_test(), second_self_test());
}
"""


def built(project: Path, program: str) -> str:
    """What a CMake project's program prints."""
    build = project.with_name(f"{project.name}_build")
    run(["cmake", "--log-level=ERROR", "-S", project, "-B", build])
    run(["cmake", "--build", build])
    return run([build / program])


def exports(export: str, folder: Path) -> list[Compiled]:
    """Two networks, exported below `folder`; their kernels differ."""
    targets = ("cortex-m7", "generic")
    return [
        small(export, folder / name, name=name, target=target, extras=("self-test",))
        for name, target in zip(NAMES, targets, strict=True)
    ]


def write(folder: Path, **files: str) -> None:
    """Files whose dots are written as `_dot_`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_dot_", ".")).write_text(text)


@needs_cmake
def test_zephyr(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEPHYR_BASE", str(STUBS / "zephyr"))
    first, _ = exports("zephyr", tmp_path)
    text = built(tmp_path / "first/sample", "app")
    assert answer(first) in text
    assert "self-test passed" in text
    cmake = """cmake_minimum_required(VERSION 3.20)
list(APPEND ZEPHYR_EXTRA_MODULES ${CMAKE_CURRENT_SOURCE_DIR}/../first ${CMAKE_CURRENT_SOURCE_DIR}/../second)
find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})
project(together)
target_sources(app PRIVATE main.c)
"""
    main = BOTH + "int main(void)\n{\n    return both() < 0;\n}\n"
    write(tmp_path / "app", CMakeLists_dot_txt=cmake, prj_dot_conf="CONFIG_NN_FIRST=y\nCONFIG_NN_SECOND=y\n", main_dot_c=main)
    assert built(tmp_path / "app", "app") == "wrong bytes: 0 0\n"


@needs_cmake
def test_espidf(tmp_path, monkeypatch):
    monkeypatch.setenv("IDF_PATH", str(STUBS / "espidf"))
    first, _ = exports("espidf", tmp_path / "app/components")
    text = built(tmp_path / "app/components/first/examples/run", "first_run")
    assert answer(first) in text
    assert "self-test passed" in text
    shutil.copytree(tmp_path / "app/components/first", tmp_path / "misnamed", ignore=shutil.ignore_patterns("*_build"))
    with pytest.raises(AssertionError, match=r"no component is called +first: but misnamed"):
        built(tmp_path / "misnamed/examples/run", "first_run")
    shutil.copy(tmp_path / "app/components/first/examples/run/CMakeLists.txt", tmp_path / "app")
    register = 'idf_component_register(SRCS "main.c" INCLUDE_DIRS ".")\n'
    main = BOTH + "void app_main(void)\n{\n    both();\n}\n"
    write(tmp_path / "app/main", CMakeLists_dot_txt=register, main_dot_c=main, idf_component_dot_yml="dependencies:\n")
    assert built(tmp_path / "app", "first_run") == "wrong bytes: 0 0\n"


SECOND = "add_subdirectory(../../second second)"


@needs_cmake
def test_mbed(tmp_path):
    first, _ = exports("mbed", tmp_path)
    for name in NAMES:
        os.symlink(STUBS / "mbed/mbed-os", tmp_path / name / "example/mbed-os")
    text = built(tmp_path / "first/example", "first_example")
    assert answer(first) in text
    assert "self-test passed" in text
    example = tmp_path / "first/example"
    cmake = (example / "CMakeLists.txt").read_text().replace("add_subdirectory(mbed-os)", "add_subdirectory(mbed-os)\n" + SECOND)
    (example / "CMakeLists.txt").write_text(cmake.replace("mbed-os first)", "mbed-os first second)"))
    (example / "main.cpp").write_text(BOTH + "int main()\n{\n    return both() < 0;\n}\n")
    assert built(example, "first_example") == "wrong bytes: 0 0\n"


@needs_cmake
def test_cmake(tmp_path):
    exports("cmake", tmp_path)
    cmake = """cmake_minimum_required(VERSION 3.16)
project(together LANGUAGES C)
add_subdirectory(../first first)
add_subdirectory(../second second)
add_executable(together main.c)
target_link_libraries(together PRIVATE first::first second::second m)
"""
    write(tmp_path / "app", CMakeLists_dot_txt=cmake, main_dot_c=BOTH + "int main(void)\n{\n    return both() < 0;\n}\n")
    assert built(tmp_path / "app", "together") == "wrong bytes: 0 0\n"


SKETCH = """
#include <first_self_test.h>
#include <second_self_test.h>

void setup()
{
    Serial.begin(115200);
}

void loop()
{
    Serial.print("wrong bytes: ");
    Serial.print(first_self_test());
    Serial.print(" ");
    Serial.println(second_self_test());
    delay(100);
}
"""


@needs_arduino
def test_arduino(tmp_path):
    for name in NAMES:
        compiled = tflm_mcunet.compile(tiny_model(), name=name, export="arduino", extras=("self-test",))
        unpacked(compiled.contents[f"{name}.zip"], tmp_path / "libraries")
    write(tmp_path / "Both", Both_dot_ino=SKETCH)
    text = run_on_avr(
        tmp_path / "Both/Both.ino", tmp_path / "libraries", "arduino:avr:mega:cpu=atmega2560", "atmega2560", tmp_path
    )
    assert "wrong bytes: 0 0" in text
