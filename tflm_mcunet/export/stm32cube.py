"""STM32Cube: a folder for STM32CubeIDE, CubeMX's CMake projects and Makefiles, and the same as an Open-CMSIS-Pack."""

from __future__ import annotations

from tflm_mcunet.export.project import VERSION, Project, archive

VENDOR = "tflm_mcunet"
CATEGORIES = {".c": "source", ".h": "header"}


def files(project: Project) -> dict[str, bytes]:
    """src/, example/, fragments for make and CMake, notes on memory, the .pdsc, and the .pack with all of it."""
    folder = project.kept(
        {
            **project.in_folder("src"),
            f"example/{project.prefix}_example.c": project.render("stm32cube/example.c.j2"),
            f"example/{project.prefix}_example.h": project.render("stm32cube/example.h.j2"),
            "README.md": project.render("stm32cube/README.md.j2"),
            "MEMORY.md": project.render("stm32cube/MEMORY.md.j2", home=project.home, run=project.around_home),
        }
    )
    pdsc = project.render("stm32cube/package.pdsc.j2", vendor=VENDOR, categories=CATEGORIES)
    name = f"{VENDOR}.{project.prefix}"
    return {
        **folder,
        f"{project.prefix}.mk": project.render("stm32cube/fragment.mk.j2"),
        f"{project.prefix}.cmake": project.render("stm32cube/fragment.cmake.j2"),
        f"{name}.pdsc": pdsc,
        f"{name}.{VERSION}.pack": archive({**folder, f"{name}.pdsc": pdsc}),
    }
