"""Bare metal with make: start-up code, linker script and semihosting, for the boards that QEMU emulates."""

from __future__ import annotations

from tflm_mcunet.codegen.emit import OWNERSHIP
from tflm_mcunet.execute import cores, harness
from tflm_mcunet.execute.image import memory_script
from tflm_mcunet.export.project import Project


def files(project: Project) -> dict[str, bytes]:
    """A Makefile, main.c, src/ and what every emulated core needs; of stages a Makefile for a library."""
    if "stages" in project.features:
        return project.kept({**project.in_folder("src"), "Makefile": project.render("stages/Makefile.j2")})
    core = project.board.core if project.board.core in cores.CORES else "cortex-m4"
    ours = [cores.FOLDER / name for name in ("startup.c", "port_semihosting.c", "image.ld")] + [harness.FOLDER / "port.h"]
    texts = {path.name: path.read_text() for path in ours}
    texts |= {f"memory/{each.name}/memory.ld": memory_script(each) for each in cores.CORES.values()}
    return project.kept(
        {
            **project.in_folder("src"),
            **{path: (OWNERSHIP + text).encode() for path, text in texts.items()},
            "main.c": project.render("make/main.c.j2"),
            "Makefile": project.render("make/Makefile.j2", core=core, cores=cores.CORES.values()),
            "README.md": project.render("make/README.md.j2"),
        }
    )
