"""Projects around a compiled model: one file per ecosystem, each a function from Project to files by path."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tflm_mcunet.export import arduino, cmake, espidf, make, mbed, platformio, stm32cube, zephyr
from tflm_mcunet.export.companions import companion_files
from tflm_mcunet.export.project import Project
from tflm_mcunet.report.model import to_json

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.rewrite import Rewritten

__all__ = ["ECOSYSTEMS", "companion_files", "export"]

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


def export_stages(rewritten: Rewritten) -> dict[str, bytes]:
    """The files of a rewritten model's stages as the project that its options name, by path, and their report."""
    report = {"report.json": to_json(rewritten.report).encode()}
    kind = rewritten.options.export
    if kind is None:
        return {**{name: text.encode() for name, text in rewritten.files.items()}, **report}
    return {**ECOSYSTEMS[kind](Project.of_stages(rewritten)), **report}


def export(compiled: Compiled, files: dict[str, str]) -> dict[str, bytes]:
    """The generated `files` as the project that the options of `compiled` name, by path; as they are where none is named."""
    kind = compiled.program.options.export
    if kind is None:
        return {name: text.encode() for name, text in files.items()}
    report = files.pop("report.json")
    return {**ECOSYSTEMS[kind](Project.of(compiled, files)), "report.json": report.encode()}
