"""Every export's sources and examples compile without a warning for its boards, against stand-ins of the vendors' headers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.export.projects import STUBS, cross_compile, flags_of, needs_cross, run, small
from tflm_mcunet.export import ECOSYSTEMS
from tflm_mcunet.options import EXPORTS

EXAMPLES = {
    "arduino": ["examples/Generic/Generic.ino", "examples/Nano33BLE/Nano33BLE.ino", "examples/PortentaGIGA/PortentaGIGA.ino"],
    "mbed": ["example/main.cpp"],
    "stm32cube": ["example/tiny_example.c"],
    "zephyr": ["sample/src/main.c"],
    "platformio": ["examples/run/src/main.cpp"],
    "espidf": ["examples/run/main/main.c"],
    "cmake": ["example/main.c"],
    "make": ["main.c", "startup.c", "port_semihosting.c"],
}
CROSS_GCC = "arm-none-eabi-gcc"
HEADERS = {"stm32cube": "stm32", "platformio": "arduino"}


def test_every_option_has_its_export():
    assert set(ECOSYSTEMS) == set(EXPORTS) == set(EXAMPLES)


@needs_cross
@pytest.mark.parametrize("variant", ["whole", "pull", "float"])
@pytest.mark.parametrize("export", EXPORTS)
def test_compiles_for_its_boards(export, variant, tmp_path):
    pulled = variant == "pull"
    extras = ("hooks", "self-test", "dma", "camera" if pulled else "tflm")
    small(export, tmp_path, float_edges=variant == "float", input="pull" if pulled else "whole", extras=extras)
    sources = sorted((tmp_path / "src").glob("*.c"))
    assert [source.name for source in sources] == ["tiny.c", "tiny_self_test.c"]
    examples = [tmp_path / name for name in EXAMPLES[export]]
    if export == "arduino" and pulled:
        examples.append(tmp_path / "examples/Camera/Camera.ino")
    stubs = STUBS / HEADERS.get(export, export)
    for flags in flags_of(export):
        for source in sources:
            cross_compile(flags, source, tmp_path / "src")
        for example in examples:
            standard = ("-std=gnu99",) if example.suffix == ".c" else ("-std=gnu++14",)
            cross_compile(flags, example, tmp_path / "src", tmp_path, tmp_path / "example", stubs, language=standard)
    if export == "arduino" and pulled:
        giga = ("-std=gnu++14", "-DARDUINO_GIGA")
        cross_compile(flags_of(export)[0], examples[-1], tmp_path / "src", stubs, language=giga)


@needs_cross
@pytest.mark.parametrize("export", EXPORTS)
def test_several_models_link_into_one_image(export, tmp_path):
    flags, objects = flags_of(export)[0], []
    for name in ("first", "second"):
        small(export, tmp_path / name, name=name, extras=("hooks", "self-test"))
        objects += [cross_compile(flags, source, tmp_path / name / "src") for source in (tmp_path / name / "src").glob("*.c")]
    main = tmp_path / "main.c"
    main.write_text(
        '#include "first.h"\n#include "second.h"\n#include "first_self_test.h"\n#include "second_self_test.h"\n'
        "int main(void)\n{\n    return first_self_test() + second_self_test();\n}\n"
    )
    objects.append(cross_compile(flags, main, *(tmp_path / name / "src" for name in ("first", "second"))))
    specs = ["-specs=nosys.specs", "-Wl,--no-warn-rwx-segments", "-Wl,--fatal-warnings"]
    run([CROSS_GCC, *flags, *specs, *objects, "-nostartfiles", "-e", "main", "-lm", "-o", tmp_path / "image.elf"])


SCRIPT = """ENTRY(main)
MEMORY {
%s
FLASH (rx) : ORIGIN = 0x8000000, LENGTH = 1024K
}
_estack = ORIGIN(RAM) + LENGTH(RAM);
SECTIONS {
.text : { *(.text*) *(.rodata*) } > FLASH
.ARM.exidx : { *(.ARM.exidx*) } > FLASH
.data : { _sdata = .; *(.data*) } > RAM AT> FLASH
.bss : { *(.bss*) *(COMMON) } > RAM
._user_heap_stack : { . = ALIGN(8); end = .; . = . + 0x600; } > RAM
%s
}
%s
"""
"""The shape of CubeMX's for the STM32F746: one region for all SRAM, the stack at its end."""


@needs_cross
def test_notes_on_memory_keep_the_arena_off_other_data(tmp_path):
    small("stm32cube", tmp_path, target="stm32f746")
    notes = [line.strip() for line in (tmp_path / "MEMORY.md").read_text().splitlines()]
    attributes = next(line[3:-1] for line in notes if line.startswith("-D'"))
    regions = [line for line in notes if "ORIGIN = " in line]
    section, check = (next(line for line in notes if line.startswith(start)) for start in (".dtcm (NOLOAD)", "ASSERT("))
    (tmp_path / "main.c").write_text(
        '#include "tiny.h"\nint value = 1, empty[100];\nint main(void) { return tiny_invoke() + value + empty[9]; }\n'
    )
    sources = [tmp_path / "main.c", *sorted((tmp_path / "src").glob("*.c"))]
    flags = [*flags_of("stm32cube")[-1], "-O2", f"-I{tmp_path / 'src'}", f"-D{attributes}", "-specs=nosys.specs", "-nostartfiles"]

    def link(memory: list[str]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "script.ld").write_text(SCRIPT % ("\n".join(memory), section, check))
        command = [CROSS_GCC, *flags, *sources, "-T", tmp_path / "script.ld", "-lm", "-o", tmp_path / "image.elf"]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=100)

    assert len(regions) == 2
    linked = link(regions)
    assert linked.returncode == 0, linked.stderr
    symbols = {
        name: int(value, 16) for value, _, name in map(str.split, run(["arm-none-eabi-nm", tmp_path / "image.elf"]).splitlines())
    }
    assert symbols["tiny_arena"] == 0x2000_0000
    assert symbols["value"] >= 0x2001_0000
    assert symbols["_estack"] == 0x2005_0000
    added = link(["RAM (xrw) : ORIGIN = 0x20000000, LENGTH = 320K", regions[0]])
    assert added.returncode != 0
    assert "overlap" in added.stderr


def test_writing_again_replaces_and_keeps_other_files(tmp_path: Path):
    out = tmp_path / "out"
    small("zephyr", out)
    (out / "mine.txt").write_text("mine")
    (out / "src" / "tiny.c").write_text("old")
    small("zephyr", out)
    assert (out / "mine.txt").read_text() == "mine"
    assert "a neural network" in (out / "src" / "tiny.c").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("export", EXPORTS)
def test_the_same_model_gives_the_same_bytes(export, tmp_path):
    first, second = (small(export, tmp_path / name).contents for name in ("a", "b"))
    assert first == second
    assert all(not line.endswith(b" ") for content in first.values() if b"\0" not in content for line in content.split(b"\n"))
