"""The command line's contract: exit status, one-line errors, JSON by its schema, nothing written half."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.models import small_network

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
COMMANDS = ("compile", "verify", "bench", "analyze", "targets", "operators")
needs_qemu = pytest.mark.skipif(
    not (shutil.which("qemu-system-arm") and shutil.which("arm-none-eabi-gcc")), reason="QEMU or the cross compiler is missing"
)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "tflm_mcunet", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def error_of(*arguments: object) -> str:
    """The message of a command that must fail in one line with status 2 and print nothing else."""
    done = command(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def checked_json(schema: str, *arguments: object, status: int = 0) -> dict:
    done = command(*arguments, "--json")
    assert done.returncode == status, done.stderr
    data = json.loads(done.stdout)
    jsonschema.validate(data, json.loads((SCHEMAS / f"{schema}.schema.json").read_text()))
    return data


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "Tiny net-1.tflite"
    path.write_bytes(small_network())
    return path


def test_compile_writes_what_the_contract_names(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    report = checked_json("report", "compile", model, "--out", out, "--target", "stm32f746")
    assert {"tiny_net_1.h", "tiny_net_1.c", "report.json"} <= {path.name for path in out.iterdir()}
    assert json.loads((out / "report.json").read_text()) == report
    assert report["target"] == "stm32f746"
    assert report["macs"] == 3 * 3 * 4 * 27 + 3 * 3 * 4 * 9 + 72
    sram = report["sram"]
    assert sram["gap"] == sram["arena"] - sram["lower_bound"] >= 0
    assert sram["optimal"] or sram["gap"]
    header = (out / "tiny_net_1.h").read_text()
    for macro in ("ARENA_BYTES", "INPUTS 1", "OUTPUTS 1", "INPUT_0_BYTES 90", "INPUT_0_ROWS 6", "INPUT_0_SCALE 5.0e-02f"):
        assert f"#define TINY_NET_1_{macro}" in header
    assert "#define TINY_NET_1_OUTPUT_0_ZERO_POINT (-7)" in header


def test_compile_twice_into_one_folder_keeps_both_models(model: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        assert command("compile", model, "--out", tmp_path / "out", "--name", name).returncode == 0
    assert {"first.c", "second.c"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert not list(tmp_path.glob(".out*"))


def test_analyze_prints_the_same_report_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    report = checked_json("report", "analyze", model)
    assert [op["kind"] for op in report["operators"]] == ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]
    assert command("analyze", model).stdout.count("CONV_2D") == 2
    assert set(tmp_path.iterdir()) == before


def test_the_front_goes_from_the_least_arena_to_the_least_work(model: Path) -> None:
    points = checked_json("front", "analyze", model, "--pareto")["front"]
    assert [p["arena"] for p in points] == sorted(p["arena"] for p in points)
    assert points[0]["arena"] == checked_json("report", "analyze", model, "--minimize", "sram")["sram"]["arena"]
    assert "MACs recomputed" in command("analyze", model, "--pareto").stdout


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (("--html", "page.html"), "leave out --html"),
        (("--full",), "leave out --full"),
        (("--sram", "5000"), "leave out --sram"),
        (("--schedule", "patch", "--patches", "3"), "leave out --schedule"),
        (("--plot", "nowhere/front.svg"), "there is no such folder"),
        (("--plot", "front.xyz"), "--plot draws .png, .svg, .pdf"),
    ],
)
def test_the_front_says_what_it_cannot_do(model: Path, options: tuple[str, ...], left_out: str) -> None:
    assert left_out in error_of("analyze", model, "--pareto", *options)


def test_verify_passes_on_random_and_on_given_inputs(model: Path, tmp_path: Path) -> None:
    result = checked_json("verify", "verify", model, "--samples", 3)
    assert result["passed"]
    assert (result["samples"], result["bytes"]) == (3, 6)
    np.savez(tmp_path / "inputs.npz", input_0=np.arange(2 * 90, dtype=np.int64).reshape(2, 6, 5, 3).astype(np.int8))
    assert checked_json("verify", "verify", model, "--inputs", tmp_path / "inputs.npz")["samples"] == 2
    assert "bit-exact with TFLM on host" in command("verify", model).stdout


@pytest.mark.parametrize("edges", ["model", "int8"])
def test_verify_of_float_edges(tmp_path: Path, edges: str) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(small_network(float_edges=True))
    report = checked_json("report", "analyze", path, "--io", edges)
    assert report["inputs"][0]["dtype"] == ("float32" if edges == "model" else "int8")
    assert checked_json("verify", "verify", path, "--io", edges)["passed"]


@needs_qemu
def test_verify_and_bench_on_an_emulated_core(model: Path) -> None:
    assert checked_json("verify", "verify", model, "--on", "cortex-m7", "--samples", 2)["passed"]
    first = checked_json("bench", "bench", model, "--on", "cortex-m4", "--profile")
    assert first == checked_json("bench", "bench", model, "--on", "cortex-m4", "--profile")
    assert sum(first["functions"].values()) == first["instructions"]
    parts = [*first["operators"], first["outside_operators"]]
    assert sum(part["instructions"] for part in parts) == first["instructions"]
    assert sum(part["modelled_cycles"] for part in parts) == first["modelled"]["cycles"]
    shown = command("bench", model, "--on", "cortex-m4", "--profile").stdout
    assert "modelled" in shown
    assert "DEPTHWISE_CONV_2D" in shown
    assert first["target"] == "cortex-m4"
    assert "instructions" in command("bench", model, "--on", "cortex-m4").stdout


def test_lists() -> None:
    names = [target["name"] for target in checked_json("targets", "targets")["targets"]]
    assert {"generic", "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "stm32f746"} <= set(
        names
    )
    kinds = {op["kind"]: op["rules"] for op in checked_json("operators", "operators")["operators"]}
    assert "The batch dimension is 1" in kinds["CONV_2D"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0
    assert f"tflm-mcunet {name}" in done.stdout


def test_wrong_command_lines_get_one_line(model: Path) -> None:
    assert "MODEL" in error_of("analyze")
    assert "did you mean --target?" in error_of("analyze", model, "--taget", "generic")
    assert "choose one of model, int8" in error_of("analyze", model, "--io", "float")
    assert "did you mean 'stm32f746'?" in error_of("analyze", model, "--target", "stm32f74")
    assert "not a size" in error_of("analyze", model, "--sram", "lots")
    assert "not a C identifier" in error_of("analyze", model, "--name", "1st")
    assert "positive" in error_of("verify", model, "--samples", "0")
    assert "cortex-m9" in error_of("verify", model, "--on", "cortex-m9")
    assert "COMMAND" in error_of()


def test_wrong_models_get_one_line_and_leave_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "cannot read" in error_of("compile", tmp_path / "absent.tflite", "--out", out)
    assert "larger than" in error_of("compile", "/dev/zero", "--out", out)
    (tmp_path / "text.tflite").write_text("no flatbuffer")
    assert "text.tflite: not a .tflite file: the identifier TFL3" in error_of("compile", tmp_path / "text.tflite", "--out", out)
    b = ModelBuilder()
    x = b.input((1, 4, 4, 2))
    y = b.tensor((1, 4, 4, 2), scale=0.1)
    b.operator("COS", [x], [y])
    (tmp_path / "cos.tflite").write_bytes(b.build([y]))
    assert "operator 0 (COS 'tensor_1')" in error_of("compile", tmp_path / "cos.tflite", "--out", out)
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("text.tflite", "cos.tflite")] == []


def test_a_model_that_does_not_fit_says_by_how_much(model: Path, tmp_path: Path) -> None:
    message = error_of("compile", model, "--out", tmp_path / "out", "--sram", "64")
    assert "more than --sram 64" in message
    assert not (tmp_path / "out").exists()


def test_unwritable_folder(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot write" in error_of("compile", model, "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == ""


def test_names_that_would_hide_headers(model: Path, tmp_path: Path) -> None:
    for name in ("mcu_rows", "stdint", "port", "int"):
        assert "C, the kernels or exports use" in error_of("compile", model, "--out", tmp_path / "out", "--name", name)
    hidden = tmp_path / "string.tflite"
    hidden.write_bytes(model.read_bytes())
    assert command("compile", hidden, "--out", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "m_string.h").exists()


def test_an_empty_extra(model: Path) -> None:
    assert "--with an empty name: choose some of keep-input" in error_of("analyze", model, "--with", "hooks,,dma")


def test_an_empty_folder_name(model: Path) -> None:
    assert "empty" in error_of("compile", model, "--out", "")


def test_the_report_counts_what_lies_outside_the_arena(model: Path) -> None:
    assert checked_json("report", "analyze", model)["sram"]["static"] == 0
    assert checked_json("report", "analyze", model, "--input", "pull")["sram"]["static"] == 12
    stages = checked_json("report", "analyze", model, "--schedule", "stream", "--minimize", "sram")["stages"]
    assert [op for stage in stages for op in stage["operators"]] == [0, 1, 2]


@pytest.mark.parametrize(
    "arguments",
    [("rewrite", "--out"), ("analyze", "--html"), ("analyze", "--pareto", "--plot"), ("compare", "{}:stream", "--html")],
)
def test_no_command_writes_over_its_input(arguments: tuple[str, ...], tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    model.write_bytes(small_network())
    (tmp_path / "same.tflite").symlink_to(model)
    name, *options, out = (each.format(model) for each in arguments)
    for target in (model, tmp_path / "same.tflite"):
        assert f"{out} {target} is what the command reads" in error_of(name, model, *options, out, target)
    assert model.read_bytes() == small_network()
