"""Mbed: a library for Mbed CE (CMake) and for the classic tools, with a program that uses it."""

from __future__ import annotations

import json

from tflm_mcunet.export.project import Project


def files(project: Project) -> dict[str, bytes]:
    """mbed_lib.json and CMakeLists.txt around src/; example/ is a program for Mbed CE, and the classic tools skip it."""
    library = {"name": project.prefix.replace("_", "-"), "config": {}}
    return project.kept(
        {
            **project.in_folder("src"),
            "mbed_lib.json": (json.dumps(library, indent=4) + "\n").encode(),
            "CMakeLists.txt": project.render("mbed/CMakeLists.txt.j2"),
            ".mbedignore": b"example/*\n",
            "example/main.cpp": project.render("mbed/main.cpp.j2"),
            "example/CMakeLists.txt": project.render("mbed/example.cmake.j2"),
            "example/mbed_app.json5": _application(),
            "README.md": project.render("mbed/README.md.j2"),
        }
    )


def _application() -> bytes:
    settings = {"target_overrides": {"*": {"platform.stdio-baud-rate": 115200, "platform.stdio-convert-newlines": True}}}
    return (json.dumps(settings, indent=4) + "\n").encode()
