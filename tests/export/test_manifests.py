"""What each ecosystem documents of its manifests: names, required keys, files that exist."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.export.projects import small
from tflm_mcunet import targets
from tflm_mcunet.options import EXPORTS, Options

SCHEMA = Path(__file__).parents[3] / "shared/schemas/PACK.xsd"


def test_the_pack_follows_the_published_schema(tmp_path):
    etree = pytest.importorskip("lxml.etree")
    if not SCHEMA.exists():
        pytest.skip("the schema of Open-CMSIS-Pack is not here")
    small("stm32cube", tmp_path, extras=("self-test", "hooks"))
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    document = etree.parse(tmp_path / "tflm_mcunet.tiny.pdsc")
    schema.assertValid(document)


def test_the_pack_holds_what_its_description_names(tmp_path):
    from xml.etree import ElementTree

    small("stm32cube", tmp_path, extras=("self-test",))
    with zipfile.ZipFile(tmp_path / "tflm_mcunet.tiny.1.0.0.pack") as pack:
        names = pack.namelist()
        description = pack.read("tflm_mcunet.tiny.pdsc")
        assert pack.testzip() is None
    assert description == (tmp_path / "tflm_mcunet.tiny.pdsc").read_bytes()
    root = ElementTree.fromstring(description)
    vendor, name, version = root.findtext("vendor"), root.findtext("name"), root.find("releases/release").get("version")
    assert (tmp_path / f"{vendor}.{name}.{version}.pack").exists()
    files = [file.get("name") for file in root.iter("file")]
    assert {"src/tiny.c", "src/tiny.h", "src/tiny_self_test.c", "example/tiny_example.c"} <= set(files)
    for file in [*files, root.findtext("license")]:
        assert any(entry == file or (entry.startswith(file) and file.endswith("/")) for entry in names)
    assert {Path(entry).name for entry in names if entry.startswith("src/")} == {
        Path(f).name for f in files if f.startswith("src/") and f != "src/"
    }


def test_pack_text_is_escaped(tmp_path):
    import tflm_mcunet
    from tests.models import small_network

    model = tmp_path / "a<b>&c.tflite"
    model.write_bytes(small_network())
    compiled = tflm_mcunet.compile(model, export="stm32cube")
    assert b"a&lt;b&gt;&amp;c.tflite" in compiled.contents["tflm_mcunet.a_b_c.pdsc"]


@pytest.mark.parametrize("board", ["stm32h743", "stm32f746", "stm32n6", "stm32f412", "stm32l4r5"])
def test_notes_on_memory_name_the_boards_banks(board, tmp_path):
    small("stm32cube", tmp_path, target=board, extras=("external-weights",))
    notes = (tmp_path / "MEMORY.md").read_text()
    home = {"stm32f412": None, "stm32l4r5": None}.get(board, "dtcm")
    assert (f'section(".{home}")' in notes) if home else ("ORIGIN = 0x2" not in notes and "Nothing needs to be written" in notes)
    for bank in targets.load(board).sram:
        names = f"{bank.region or ''} | {bank.section or ''}"
        assert f"| {bank.name} | 0x{bank.origin:08X} | {bank.bytes // 1024} KB | {names} |" in notes
    assert "--only-section=.tiny_weights" in notes
    assert ("QSPI (r) : ORIGIN = 0x90000000, LENGTH = 16384K" in notes) == (board == "stm32f746")


def test_mbed(tmp_path):
    small("mbed", tmp_path, name="my_net")
    manifest = json.loads((tmp_path / "mbed_lib.json").read_text())
    assert re.fullmatch(r"[a-zA-Z0-9-]+", manifest["name"])
    assert set(manifest) <= {"name", "config", "macros", "requires", "target_overrides"}
    application = json.loads((tmp_path / "example/mbed_app.json5").read_text())
    assert set(application) <= {"target_overrides", "config", "macros", "requires"}
    assert (tmp_path / ".mbedignore").read_text() == "example/*\n"
    assert "BufferedSerial" in (tmp_path / "example/main.cpp").read_text()


def test_zephyr(tmp_path):
    small("zephyr", tmp_path)
    module = yaml.safe_load((tmp_path / "zephyr/module.yml").read_text())
    assert set(module) == {"name", "build"}
    assert (tmp_path / module["build"]["cmake"] / "CMakeLists.txt").exists()
    assert (tmp_path / module["build"]["kconfig"]).exists()
    kconfig = (tmp_path / "zephyr/Kconfig").read_text()
    assert re.match(r'config NN_TINY\n\tbool "', kconfig)
    assert "CONFIG_NN_TINY=y" in (tmp_path / "sample/prj.conf").read_text()
    sample = yaml.safe_load((tmp_path / "sample/sample.yaml").read_text())
    assert set(sample) == {"sample", "tests"}
    existing_sources(tmp_path / "zephyr/CMakeLists.txt", "../src/")


def test_platformio(tmp_path):
    small("platformio", tmp_path)
    manifest = json.loads((tmp_path / "library.json").read_text())
    assert {"name", "version", "description", "keywords", "authors", "frameworks", "platforms"} <= set(manifest)
    assert len(manifest["name"]) <= 100
    assert not re.search(r"[;:,<>/\\|?*@]", manifest["name"])
    assert len(manifest["description"]) <= 255
    assert (tmp_path / manifest["build"]["srcDir"] / manifest["headers"]).exists()
    for example in manifest["examples"]:
        assert all((tmp_path / example["base"] / file).exists() for file in example["files"])
    environments = re.findall(
        r"\[env:([\w-]+)\]\nplatform = (\w+)\nboard = ([\w-]+)", (tmp_path / "examples/run/platformio.ini").read_text()
    )
    assert len(environments) == 5
    assert all(name == board for name, _, board in environments)


def test_espidf(tmp_path):
    small("espidf", tmp_path, name="my_net")
    manifest = yaml.safe_load((tmp_path / "idf_component.yml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    example = yaml.safe_load((tmp_path / "examples/run/main/idf_component.yml").read_text())
    path = tmp_path / "examples/run/main" / example["dependencies"]["my_net"]["override_path"]
    assert (path / "idf_component.yml").exists()
    existing_sources(tmp_path / "CMakeLists.txt", "src/")


def existing_sources(manifest: Path, prefix: str) -> None:
    """Every source in src/ is named in a CMake file, and nothing else."""
    named = re.findall(rf"{re.escape(prefix)}([\w.]+\.c)", manifest.read_text())
    assert sorted(named) == sorted(path.name for path in (manifest.parent / prefix).glob("*.c"))


@pytest.mark.parametrize("export", EXPORTS)
def test_no_model_is_named_like_a_source_of_its_export(export, tmp_path):
    own = {
        Path(path).stem for path in small(export, tmp_path).contents if re.search(r"\.(c|h|cpp)$", path) and path[:4] != "src/"
    }
    for name in own:
        assert name.startswith("tiny_") or Options().prefix(f"{name}.tflite") == f"m_{name}"


@pytest.mark.parametrize("export", EXPORTS)
def test_every_export_says_whose_the_code_is_and_what_to_do(export, tmp_path):
    compiled = small(export, tmp_path, extras=("self-test", "tflm"))
    whose = [path for path in compiled.contents if re.search(r"\.(c|h|cpp|ino|ld)$", path)] + ["LICENSE.txt"]
    assert {"src/tiny.c", "src/mcu_rows.h", "src/mcu_tflm.h"} < set(whose)
    for path in whose:
        assert b"elongs to whoever generated it" in compiled.contents[path], path
    assert len(compiled.contents["README.md"]) > 200
    assert json.loads((tmp_path / "report.json").read_text())["target"] == "cortex-m7"


def test_archives_are_the_same_every_time(tmp_path):
    contents = small("arduino", tmp_path).contents
    with zipfile.ZipFile(io.BytesIO(contents["tiny.zip"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
