"""A CMake package: add_subdirectory, FetchContent or find_package, and an example."""

from __future__ import annotations

from tflm_mcunet.export.project import Project

TEMPLATES = {
    "CMakeLists.txt": "CMakeLists.txt.j2",
    "Config.cmake.in": "Config.cmake.in.j2",
    "example/CMakeLists.txt": "example.cmake.j2",
    "example/main.c": "main.c.j2",
    "README.md": "README.md.j2",
}


def files(project: Project) -> dict[str, bytes]:
    """CMakeLists.txt, src/ and example/."""
    return project.kept(
        {**project.in_folder("src"), **{path: project.render(f"cmake/{name}") for path, name in TEMPLATES.items()}}
    )
