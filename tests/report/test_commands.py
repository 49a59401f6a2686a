"""analyze --full, compare, evaluate, doctor and completion as commands: tables, JSON by its schema, errors in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tflm_mcunet
from tests.models import small_network
from tests.test_cli import checked_json, command, error_of, needs_qemu
from tflm_mcunet.execute import tflm
from tflm_mcunet.options import SCHEDULES, Options
from tflm_mcunet.report.terminal import comparison
from tflm_mcunet.report.verdict import verdict

needs_tflm = pytest.mark.skipif(not tflm.available(), reason="the TFLM interpreter is missing")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(small_network())
    return path


@pytest.fixture
def data(model: Path, tmp_path: Path) -> Path:
    """Samples of which the model's own answer is right for all but the last five."""
    rng = np.random.default_rng(1)
    x = rng.integers(-128, 128, (70, 6, 5, 3), np.int8)
    compiled = tflm_mcunet.compile(model)
    y = np.array([int(np.argmax(compiled.run(sample[None])[0])) for sample in x])
    y[-5:] = 1 - y[-5:]
    np.savez(tmp_path / "data.npz", x=x, y=y, classes=["cat", "dog"])
    return tmp_path / "data.npz"


def test_full_analysis_by_its_schema(model: Path, tmp_path: Path) -> None:
    found = checked_json("analysis", "analyze", model, "--full", "--target", "nano33ble")
    chosen, *others = found["memory"]
    assert chosen["arena"] == found["report"]["sram"]["arena"] == found["report"]["verdict"]["sram"]["need"]
    assert {"layer", "stream"} <= {way["schedule"] for way in others} <= set(SCHEDULES)
    assert min(point["arena"] for point in found["front"]) <= min(way["arena"] for way in found["memory"])
    assert found["report"]["verdict"]["fits"]
    assert sum(op["flash"] for op in found["report"]["operators"]) <= found["report"]["flash"]["weights"]
    text = command("analyze", model, "--full", "--target", "nano33ble").stdout
    for words in ("fits nano33ble, with ", "arena over time", "layer", "stream", "instructions (estimated)"):
        assert words in text


@pytest.mark.parametrize("way", ["chosen", "layer", "patch", "stream"])
def test_blocks_of_the_chart_lie_in_the_arena_and_apart(way: str) -> None:
    """No byte holds two buffers at a moment, but where an operator writes over what it reads."""
    from tests.report.test_page import residual_network
    from tflm_mcunet.compiler import build
    from tflm_mcunet.options import Options
    from tflm_mcunet.report.timeline import timeline

    options = Options() if way == "chosen" else Options(schedule=way, minimize="sram")
    planned = build(residual_network(), "residual", options).planned
    found = timeline(planned, options, way)
    owners = np.zeros((found["moments"], found["arena"]), np.int32)
    in_place = {"elementwise"}
    for buffer in found["buffers"]:
        assert buffer["first"] < found["moments"]
        for first, address, moments, size in buffer["rectangles"]:
            assert first + moments <= found["moments"]
            assert address + size <= found["arena"]
            part = owners[first : first + moments, address : address + size]
            taken = part[1:] if buffer["kind"] in in_place else part
            assert not taken.any()
            part += 1
    assert planned.plan.lower_bound <= (owners > 0).sum(axis=1).max() <= found["arena"]


def test_a_page_is_written_also_where_the_model_misses(model: Path, tmp_path: Path) -> None:
    done = command("analyze", model, "--html", tmp_path / "page.html", "--target", "nano33ble", "--sram", "100")
    assert done.returncode == 2
    assert done.stderr.startswith("error: the model needs an arena of ")
    assert done.stderr.count("\n") == 1
    text = (tmp_path / "page.html").read_text()
    assert "does not fit the limit of 100 bytes (--sram): " in text
    assert "does not fit nano33ble" not in text
    assert "http" not in text.replace("http://www.w3.org", "")
    assert "cannot write" in error_of("analyze", model, "--full", "--html", tmp_path / "no" / "page.html")


@needs_qemu
def test_what_was_measured_is_shown_by_operator(model: Path, tmp_path: Path) -> None:
    found = checked_json("analysis", "analyze", model, "--full", "--on", "cortex-m4", "--html", tmp_path / "page.html")
    measured = found["measured"]
    total = sum(op["instructions"] for op in measured["operators"]) + measured["outside_operators"]["instructions"]
    assert total == measured["instructions"]
    assert sum(measured["code"].values()) == measured["sections"]["model"]["text"]
    assert "counted on an emulated cortex-m4" in (tmp_path / "page.html").read_text()


@needs_qemu
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_profiles_are_tables(model: Path, core: str) -> None:
    done = command("bench", model, "--on", core, "--profile")
    assert done.returncode == 0, done.stderr
    assert "outside operators" in done.stdout
    assert ("modelled cycles" in done.stdout) == (core == "cortex-m4")


def test_compare_models_schedules_and_folders(model: Path, tmp_path: Path) -> None:
    assert command("compile", model, "--out", tmp_path / "out", "--schedule", "layer", "--target", "nano33ble").returncode == 0
    found = checked_json("compare", "compare", model, f"{model}:stream", tmp_path / "out", "--target", "nano33ble")
    plain, stream, folder = (item["figures"] for item in found["items"])
    assert [item["name"] for item in found["items"]] == ["tiny.tflite", "tiny.tflite:stream", "out"]
    assert stream["arena"] < plain["arena"]
    assert folder["macs"] == plain["macs"]
    assert found["items"][2]["memory"] is None
    other = checked_json("compare", "compare", model, tmp_path / "out", "--target", "stm32f746")
    assert [item["name"] for item in other["items"]] == ["tiny.tflite", "out (cortex-m4)"]
    page = tmp_path / "page.html"
    text = command("compare", model, f"{model}:stream", "--target", "nano33ble", "--html", page).stdout
    assert "tiny.tflite:stream fits nano33ble" in text
    assert "2 candidates for nano33ble" in page.read_text()


def test_long_names_of_candidates_stay_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Six columns do not fit a line: what tells candidates apart stands at the end of their names."""
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a_network_with_a_long_name_of_its_own.tflite:{way}" for way in ("auto", "layer", "patch", "stream")]
    verdict_ = verdict(Options(), 1, 1, 1)
    items = [{"name": name, "verdict": verdict_, "figures": {"arena": 123_456}} for name in [*names, "other_folder", "more"]]
    comparison({"target": "generic", "figures": {"arena": "SRAM (bytes)"}, "items": items})
    head, _ = capsys.readouterr().out.split("SRAM (bytes)")
    assert "…" not in head
    for way in ("auto", "layer", "patch", "stream"):
        assert way in head.split()


def test_compare_refuses_in_one_line(model: Path, tmp_path: Path) -> None:
    assert "at least two" in error_of("compare", model)
    assert "is no folder that `compile` wrote" in error_of("compare", model, tmp_path)
    (tmp_path / "report.json").write_text("{}")
    assert "compile the model again" in error_of("compare", model, tmp_path)
    assert "no_such.tflite" in error_of("compare", model, "no_such.tflite:stream")
    assert "unknown schedule streem: did you mean stream?" in error_of("compare", model, f"{model}:streem")


@needs_tflm
def test_evaluate_counts_and_agrees(model: Path, data: Path) -> None:
    found = checked_json("evaluate", "evaluate", model, "--data", data, "--tflm-samples", "40")
    assert (found["samples"], found["correct"]) == (70, 65)
    assert found["classes"] == ["cat", "dog"]
    assert sum(map(sum, found["confusion"])) == 70
    assert found["confusion"][0][1] + found["confusion"][1][0] == 5
    assert found["tflm"] == {"samples": 40, "bytes": 80, "differing": 0}
    text = command("evaluate", model, "--data", data, "--limit", "10").stdout
    assert "of 10 samples are right" in text
    assert "TFLM on 10 of them: 20 bytes, none differs" in text


@needs_tflm
@pytest.mark.parametrize("arguments", [("--target", "cortex-m7"), ("--input", "pull"), ("--schedule", "stream")])
def test_evaluate_takes_the_options_of_compile(model: Path, data: Path, arguments: tuple[str, ...]) -> None:
    assert checked_json("evaluate", "evaluate", model, "--data", data, *arguments)["correct"] == 65


@needs_tflm
def test_evaluate_pictures(model: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (12, 10, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    found = checked_json("evaluate", "evaluate", model, "--data", tmp_path / "pictures", "--pixels", "signed")
    assert found["classes"] == ["cat", "dog"]
    assert [sum(row) for row in found["confusion"]] == [3, 3]
    assert found["tflm"]["differing"] == 0


def test_evaluate_refuses_in_one_line(model: Path, tmp_path: Path) -> None:
    def archive(**arrays: object) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        return path

    x = np.zeros((3, 6, 5, 3), np.int8)
    for path, words in (
        (tmp_path / "nothing.npz", "cannot read"),
        (archive(z=x), "no arrays 'x_test' and 'y_test', or 'x' and 'y'; it holds z"),
        (archive(x=x, y=np.zeros(2, np.int64)), "are not one class number for each of 3 samples"),
        (archive(x=x[:, :5], y=np.zeros(3, np.int64)), ".npz: a sample of shape [5, 5, 3] is no input"),
        (archive(x=x.astype(np.int32), y=np.zeros(3, np.int64)), "samples of type int32 are no input"),
        (archive(x=x.astype(np.uint8), y=np.zeros(3, np.int64)), "which is no usual range of pixels: give --pixels"),
        (archive(x=x, y=np.array([0, 1, 7])), "has 8 classes, the model 2 outputs"),
        (archive(x=x[:0], y=np.zeros(0, np.int64)), "holds no samples"),
    ):
        assert words in error_of("evaluate", model, "--data", path)
    (tmp_path / "empty").mkdir()
    assert "holds no folders with pictures" in error_of("evaluate", model, "--data", tmp_path / "empty")
    assert "--data" in error_of("evaluate", model)
    assert "--limit needs --data" in error_of("analyze", model, "--limit", "10")


def test_doctor_tells_what_is_there() -> None:
    found = checked_json("doctor", "doctor")
    assert found["healthy"]
    by_name = {finding["what"]: finding for finding in found["findings"]}
    assert by_name["tflm-mcunet"]["found"] == tflm_mcunet.__version__
    assert by_name["self-test: compile"]["status"] == "ok"
    assert "numpy" in command("doctor").stdout


def test_doctor_without_tools_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from tflm_mcunet import doctor

    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CC", raising=False)
    missing = {finding.what: finding.found for finding in doctor.examine() if finding.status == "missing"}
    assert "install one" in missing["host compiler"]
    assert missing["qemu-system-arm"].startswith("apt-get install ")


def test_doctor_fails_where_bytes_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    from tflm_mcunet import doctor
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.verify import Verification

    monkeypatch.setattr(Compiled, "verify", lambda self, **options: Verification("host", 20, 40, 3, "sample 0"))
    monkeypatch.setattr(doctor.tflm, "available", lambda: True)
    findings = doctor.examine()
    assert not doctor.healthy(findings)
    assert any("3 of 40 bytes differ" in finding.found for finding in findings)


def test_the_self_test_is_a_model_of_the_tests() -> None:
    assert (Path(tflm_mcunet.__file__).parent / "self_test.tflite").read_bytes() == small_network()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_knows_commands_options_and_boards(shell: str) -> None:
    script = command("completion", shell).stdout
    for word in ("analyze", "-l schedule" if shell == "fish" else "--schedule", "stm32f746"):
        assert word in script


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is missing")
def test_fish_takes_the_completion(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(command("completion", "fish").stdout)
    asked = "source ./script; complete -C 'tflm-mcunet analyze --target nano'"
    done = subprocess.run(["fish", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["nano33ble"], done.stderr


def test_bash_takes_the_completion(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(command("completion", "bash").stdout)
    asked = (
        'source ./script; COMP_WORDS=(tflm-mcunet analyze --target nano); COMP_CWORD=3; COMP_LINE="x"; $(complete -p tflm-mcunet'
    )
    asked += r""" | sed -n 's/.*-F \([^ ]*\).*/\1/p'); echo "${COMPREPLY[@]}" """
    done = subprocess.run(["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["nano33ble"], done.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("analyse", "x"), "unknown command analyse: did you mean analyze?"),
        (("search", "space", "--targt", "x"), "unknown option --targt: did you mean --target?"),
        (("compile", "x", "--ouut", "y"), "unknown option --ouut: did you mean --out?"),
        (("analyze", "x", "--minimize", "latancy"), "--minimize: invalid choice latancy: did you mean latency?"),
        (("analyze", "x", "--taget", "y"), "unknown option --taget: did you mean --target?"),
        (("analyze", "x", "--target", "nano33"), "did you mean 'nano33ble'?"),
        (("nonsense",), "choose one of compile, verify"),
    ],
)
def test_the_nearest_word_is_suggested(arguments: tuple[str, ...], hint: str) -> None:
    assert hint in error_of(*arguments)


def test_every_command_has_an_example() -> None:
    from tflm_mcunet.cli import make_parser

    for name, parser in make_parser()[1].items():
        text = parser.format_help()
        assert f"tflm-mcunet {name}" in text.split("example: ")[-1].replace("\n", " "), name


def test_progress_is_silent_off_a_terminal(model: Path, data: Path) -> None:
    line = [sys.executable, "-m", "tflm_mcunet", "evaluate", str(model), "--data", str(data), "--tflm-samples", "0", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    json.loads(done.stdout)
