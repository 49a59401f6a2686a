"""The cost model: its data, its features, its use by the scheduler, and the least squares that make it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from benchmarks.cost.fit import Sample, errors, estimate, fit, nonnegative
from tests.models import small_network
from tflm_mcunet import cost, targets
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.kernels.portable import Conv2DPairs

CORES = ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
MODEL = Path(__file__).parents[2] / "examples" / "fashion_mnist" / "model.tflite"
_missing = [tool for tool in ("qemu-system-arm", "arm-none-eabi-gcc") if shutil.which(tool) is None]


def compiled(target: str, **options: str) -> Compiled:
    return tflm_mcunet.compile(MODEL, target=target, io="int8", name="fashion", **options)


@pytest.mark.parametrize("core", CORES)
def test_the_data_is_sound(core: str) -> None:
    model = cost.load(targets.load(core))
    assert model.core == core
    assert 0 < model.error <= model.worst
    assert (model.cycles is not None) == (core == "cortex-m4")
    for coefficients in (model.instructions, model.cycles or {}):
        assert all(value > 0 for family in coefficients.values() for value in family.values())


@pytest.mark.parametrize(("board", "core"), [("generic", "cortex-m3"), ("cortex-m33", "cortex-m4"), ("stm32f746", "cortex-m7")])
def test_boards_have_the_model_of_their_kernels(board: str, core: str) -> None:
    assert cost.load(targets.load(board)).core == core


@pytest.mark.parametrize("core", CORES)
def test_more_events_take_longer(core: str) -> None:
    operators = compiled(core).program.lowered.operators
    model, price = cost.load(targets.load(core)), cost.scheduler_cost(operators, targets.load(core))
    for index, op in enumerate(operators):
        assert model.estimate(op, 1).instructions >= model.estimate(op, op.steps).instructions > 0
        assert price(index, 1, True) >= price(index, op.steps, False) > 0
        if model.cycles is not None:
            assert (model.estimate(op, 1).cycles or 0) > model.estimate(op, 1).instructions


def test_features_count_the_work() -> None:
    op = compiled("generic").program.lowered.operators[0]
    assert type(op) is Conv2DPairs
    _, height, width, _ = op.output.nhwc
    whole, rows = cost.features(op, height).values, cost.features(op, 1).values
    assert (whole["event"], rows["event"]) == (1, height)
    assert whole["value"] == op.output.elements
    assert whole["mac"] == op.macs
    assert whole["gather"] == height * width * op.weights[0].size
    dsp = cost.features(compiled("cortex-m4").program.lowered.operators[0], height)
    assert dsp.family.startswith("Conv2DDsp")
    assert -(-height * width // 3) <= dsp.values["group"] <= height * -(-width // 3)
    assert dsp.values["mac"] >= op.macs


@pytest.mark.skipif(bool(_missing), reason=f"not installed: {', '.join(_missing)}")
@pytest.mark.parametrize("core", CORES)
def test_estimates_are_near_what_is_executed(core: str) -> None:
    """Fails when kernels have changed and benchmarks/cost/fit.py has not been run since."""
    model = compiled(core)
    execution = model.bench(on=core)
    report = model.report["estimate"]
    assert report["instructions"] == pytest.approx(execution.instructions, rel=0.2)
    if core == "cortex-m4":
        assert report["modelled_cycles"] == pytest.approx(execution.modelled_cycles, rel=0.2)


def test_estimates_add_up() -> None:
    report = tflm_mcunet.compile(small_network(), target="cortex-m4", name="small").report
    operators = report["operators"]
    assert report["estimate"]["instructions"] == sum(op["estimated_instructions"] for op in operators)
    assert report["estimate"]["modelled_cycles"] == sum(op["estimated_cycles"] for op in operators)


@pytest.mark.parametrize("seed", range(20))
def test_nonnegative_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(12, 5)), rng.normal(size=12)
    x = nonnegative(a, b)
    gradient = a.T @ (b - a @ x)
    assert (x >= 0).all()
    assert np.abs(gradient[x > 0]).max(initial=0) < 1e-8
    assert gradient[x == 0].max(initial=0) < 1e-6


def test_a_fit_finds_the_coefficients() -> None:
    rng = np.random.default_rng(1)
    samples = []
    for number in range(30):
        values = {"event": float(rng.integers(1, 9)), "mac": float(rng.integers(100, 9999))}
        measured = round(40 * values["event"] + 1.5 * values["mac"])
        samples.append(Sample(f"network {number % 3}", "fast", "Kernel", values, measured, None))
    found = fit(samples, "instructions")
    assert found["Kernel"] == pytest.approx({"event": 40, "mac": 1.5}, rel=0.02)
    unknown = samples[0]._replace(family="Other")
    assert estimate(found, unknown) == pytest.approx(unknown.instructions, rel=0.02)
    assert max(abs(own["fast"]) for own in errors(samples, "instructions").values()) < 0.01
