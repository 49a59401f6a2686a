"""ESP-IDF: a component and a project that uses it."""

from __future__ import annotations

from tflm_mcunet.export.project import Project

TEMPLATES = {
    "CMakeLists.txt": "CMakeLists.txt.j2",
    "idf_component.yml": "idf_component.yml.j2",
    "examples/run/CMakeLists.txt": "project.cmake.j2",
    "examples/run/main/CMakeLists.txt": "main.cmake.j2",
    "examples/run/main/idf_component.yml": "main.yml.j2",
    "examples/run/main/main.c": "main.c.j2",
    "README.md": "README.md.j2",
}


def files(project: Project) -> dict[str, bytes]:
    """The component's manifest, src/, and the project in examples/run."""
    return project.kept(
        {**project.in_folder("src"), **{path: project.render(f"espidf/{name}") for path, name in TEMPLATES.items()}}
    )
