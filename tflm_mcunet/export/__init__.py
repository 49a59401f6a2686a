"""Projects around a compiled model: one file per ecosystem, each a function from Project to files by path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tflm_mcunet.export import arduino, cmake, espidf, make, mbed, platformio, stm32cube, zephyr
from tflm_mcunet.export.project import Project

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled

ECOSYSTEMS: dict[str, Callable[[Project], dict[str, bytes]]] = {
    "arduino": arduino.files,
    "mbed": mbed.files,
    "stm32cube": stm32cube.files,
    "zephyr": zephyr.files,
    "platformio": platformio.files,
    "espidf": espidf.files,
    "cmake": cmake.files,
    "make": make.files,
}


def export(compiled: Compiled) -> dict[str, bytes]:
    """The files, by path, of the project that the options of `compiled` name; the generated C is in src/ of each."""
    kind = compiled.program.options.export
    assert kind is not None
    project = Project.of(compiled)
    return {**ECOSYSTEMS[kind](project), "report.json": compiled.files["report.json"].encode()}
