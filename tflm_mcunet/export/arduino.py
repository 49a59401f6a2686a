"""An Arduino library: library.properties, src/, examples, keywords, and the .zip that the IDE imports."""

from __future__ import annotations

from tflm_mcunet.export.project import Project, archive

SKETCHES = {
    "Generic": "Runs on any board with enough memory.",
    "Nano33BLE": "For the Nano 33 BLE: the LED is on while the network runs.",
    "PortentaGIGA": "For Portenta H7 and GIGA R1 (Cortex-M7 core): the LED is on while the network runs.",
}
"""Sketches for every model, with the line that tells them apart; those that pull rows get one for cameras too."""


def files(project: Project) -> dict[str, bytes]:
    """The library's folder, and NAME.zip with the same in it."""
    name = library_name(project.prefix)
    library = project.kept(
        {
            **project.in_folder("src"),
            "library.properties": project.render("arduino/library.properties.j2", name=name),
            "keywords.txt": _keywords(project),
            "README.md": project.render("arduino/README.md.j2", name=name),
            **{
                f"examples/{sketch}/{sketch}.ino": project.render("arduino/sketch.ino.j2", name=sketch, note=note)
                for sketch, note in SKETCHES.items()
            },
        }
    )
    if "camera" in project.features:
        rows, columns, channels = project.picture
        library["examples/Camera/Camera.ino"] = project.render(
            "arduino/camera.ino.j2", rows=rows, columns=columns, channels=channels
        )
    packed = archive({f"{name}/{path}": content for path, content in library.items()})
    return {**library, f"{name}.zip": packed}


def _keywords(project: Project) -> bytes:
    """What the IDE colours: name, tab, kind."""
    if "stages" in project.features:
        return f"{project.prefix}\tKEYWORD1\nRegisterStages\tKEYWORD2\n".encode()
    invoke = "invoke_rows" if "pull" in project.features else "invoke"
    functions = [f"{project.prefix}_{name}\tKEYWORD2" for name in ("input", invoke, "output")]
    upper = project.prefix.upper()
    names = ["ARENA_BYTES", "INPUTS", "OUTPUTS", "INPUT_0_BYTES", "OUTPUT_0_BYTES", "OUTPUT_0_SCALE", "OUTPUT_0_ZERO_POINT"]
    return "\n".join([*functions, *(f"{upper}_{name}\tLITERAL1" for name in names)]).encode() + b"\n"


def library_name(prefix: str) -> str:
    """The prefix as the library registry allows it: led by a letter, not by `arduino`, and 63 characters at most."""
    name = prefix.lstrip("_")
    return (f"nn_{name}" if not name or name.startswith("arduino") else name)[:63]
