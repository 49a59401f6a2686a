"""Zephyr: an out-of-tree module and a sample."""

from __future__ import annotations

from tflm_mcunet.export.project import Project

TEMPLATES = {
    "zephyr/module.yml": "module.yml.j2",
    "zephyr/CMakeLists.txt": "CMakeLists.txt.j2",
    "zephyr/Kconfig": "Kconfig.j2",
    "sample/CMakeLists.txt": "sample.cmake.j2",
    "sample/prj.conf": "prj.conf.j2",
    "sample/sample.yaml": "sample.yaml.j2",
    "sample/src/main.c": "main.c.j2",
    "README.md": "README.md.j2",
}


def files(project: Project) -> dict[str, bytes]:
    """The module's zephyr/ folder, src/, and sample/."""
    return project.kept(
        {**project.in_folder("src"), **{path: project.render(f"zephyr/{name}") for path, name in TEMPLATES.items()}}
    )
