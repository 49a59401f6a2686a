"""Stages in every export form: sources that compile for its boards, manifests that name them and nothing that is not there."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.export.projects import cross_compile, flags_of, needs_cross, run
from tests.rewrite.from_source import ROOTS, include_flags, missing
from tests.rewrite.networks import with_unsupported
from tests.rewrite.tflm import FOLDER as STAND_INS
from tflm_mcunet.cli import main, parse
from tflm_mcunet.errors import Error
from tflm_mcunet.options import EXPORTS, Options
from tflm_mcunet.rewrite import rewrite

SCHEMA = Path(__file__).resolve().parents[2] / "docs/schemas/rewrite.schema.json"

USE = """
#include "net_stages.h"

struct Resolver {
    mcu::Status AddCustom(const char *, void *);
};

mcu::Status register_all(Resolver &resolver);

mcu::Status register_all(Resolver &resolver)
{
    return net::RegisterStages(resolver);
}
"""


def written(folder: Path, export: str | None, *, regions: tuple[str, ...] = ("0:3", "4:7")) -> Path:
    """The folder of the stages of a rewritten network."""
    options = Options(target="cortex-m7", minimize="sram", export=export)
    return rewrite(with_unsupported(), "net.tflite", options, regions=regions).write(folder / "net.tflite")


@needs_cross
@pytest.mark.parametrize("export", EXPORTS)
def test_compiles_for_its_boards(export: str, tmp_path: Path) -> None:
    folder = written(tmp_path, export)
    sources = sorted((folder / "src").glob("*.c"))
    assert [source.name for source in sources] == ["net_stage0.c", "net_stage1.c"]
    assert not [path for path in folder.rglob("*") if path.name in ("example", "examples", "sample", "main.c")]
    use = tmp_path / "use.cc"
    use.write_text(USE)
    for flags in flags_of(export):
        for source in sources:
            cross_compile(flags, source, folder / "src")
        cross_compile(flags, use, folder / "src", STAND_INS, language=("-std=c++17", "-fno-exceptions", "-fno-rtti"))
    assert "net::RegisterStages(resolver);" in (folder / "README.md").read_text()
    assert json.loads((folder / "report.json").read_text())["stages"][1]["first"] == 4


@pytest.mark.parametrize("export", EXPORTS)
def test_nothing_names_what_is_not_there(export: str, tmp_path: Path) -> None:
    folder = written(tmp_path, export)
    for path in folder.rglob("*"):
        if path.suffix in (".zip", ".pack"):
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                assert not [name for name in archive.namelist() if "example" in name]
                assert any(name.endswith("src/net_stages.h") for name in archive.namelist())
        elif path.is_file() and "src" not in path.parts and path.name != ".mbedignore":
            text = path.read_text()
            assert not re.search(r"\bexamples?/|\bsample/|\bnet\.[ch]\b|[ \t]\n", text), (path.name, text)


@pytest.mark.parametrize("export", [None, *EXPORTS])
def test_every_source_says_whose_it_is(export: str | None, tmp_path: Path) -> None:
    sources = [path for path in written(tmp_path, export).rglob("*") if path.suffix in (".c", ".h")]
    assert {"mcu_stage.h", "net_stages.h", "net_stage0.c", "mcu_rows.h"} <= {path.name for path in sources}
    for path in sources:
        assert "elongs to whoever generated it" in path.read_text(), path.name


@needs_cross
def test_make_builds_a_library(tmp_path: Path) -> None:
    folder = written(tmp_path, "make")
    run(["make"], folder)
    assert (folder / "build" / "libnet.a").exists()


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is missing")
def test_cmake_builds_a_library(tmp_path: Path) -> None:
    folder = written(tmp_path, "cmake")
    run(["cmake", "-S", folder, "-B", tmp_path / "build"])
    run(["cmake", "--build", tmp_path / "build"])
    assert (tmp_path / "build" / "libnet.a").exists()


def test_all_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "net_stages").write_text("a file where the folder should be")
    with pytest.raises(Error, match="cannot write"):
        written(tmp_path, None)
    assert [path.name for path in tmp_path.iterdir()] == ["net_stages"]


def test_compiles_with_the_headers_of_tflm(tmp_path: Path) -> None:
    """The real resolver, from TFLM's sources."""
    if missing(ROOTS):
        pytest.skip(f"TFLM's headers were not compiled: set {', '.join(missing(ROOTS))}")
    folder = written(tmp_path, None)
    use = tmp_path / "use.cc"
    resolver = "tflite::MicroMutableOpResolver<3>"
    use.write_text(
        f'#include "net_stages.h"\n#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n'
        f"bool add({resolver} &resolver);\nbool add({resolver} &resolver)\n{{\n"
        f"    return net::RegisterStages(resolver) == kTfLiteOk;\n}}\n"
    )
    flags = ["-std=c++17", "-fsyntax-only", "-DTF_LITE_STATIC_MEMORY", f"-I{folder}", *include_flags()]
    done = subprocess.run(["c++", *flags, use], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files, and one JSON object that follows its schema; one line on what is wrong."""
    jsonschema = pytest.importorskip("jsonschema")
    model, out = tmp_path / "net.tflite", tmp_path / "small.tflite"
    model.write_bytes(with_unsupported())
    assert main(parse(["tflm-mcunet", "rewrite", str(model), "--out", str(out), "--region", "0:3", "--json", "--verbose"])) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert report == json.loads((tmp_path / "small_stages" / "report.json").read_text())
    assert report["model_bytes"] == out.stat().st_size
    assert "schedule:" in printed.err
    assert main(parse(["tflm-mcunet", "rewrite", str(model), "--out", str(tmp_path / "small")])) == 2
    assert capsys.readouterr().err.count("\n") == 1
