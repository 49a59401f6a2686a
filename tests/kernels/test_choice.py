"""The choice of kernels: fast ones wherever their scratch is free, but never at the price of the arena."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import tflm_mcunet
from patch_scheduler import Plan
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.kernels import choice
from tflm_mcunet.kernels.choice import _Kernels
from tflm_mcunet.passes.patches import PatchError
from tflm_mcunet.planning import Planned, plan_graph

MODEL = Path(__file__).parents[2] / "examples" / "fashion_mnist" / "model.tflite"


@cache
def compiled(**options: object) -> Compiled:
    return tflm_mcunet.compile(MODEL, target="cortex-m7", io="int8", name="fashion", **options)  # type: ignore[arg-type]


def estimate(model: Compiled) -> int:
    return int(model.report["estimate"]["instructions"])


def test_the_least_arena_is_that_of_the_leanest_kernels_and_much_faster() -> None:
    least = compiled(minimize="sram")
    program = least.program
    kernels = _Kernels(program.graph, program.options)
    lean = plan_graph(kernels.leanest(), program.options)
    assert program.plan.arena <= lean.plan.arena
    assert estimate(least) < sum(kernels.model.estimate(op, 1).instructions for op in lean.lowered.operators)
    assert least.verify(samples=2).passed


@pytest.mark.parametrize("schedule", ["auto", "stream", "layer"])
def test_more_memory_never_makes_it_much_slower(schedule: str) -> None:
    least = compiled(minimize="sram", schedule=schedule).report["sram"]["arena"]
    found = [compiled(sram=round(least * factor), schedule=schedule) for factor in (1, 1.1, 1.25, 1.6, 3)]
    for factor, model in zip((1, 1.1, 1.25, 1.6, 3), found, strict=True):
        assert model.report["sram"]["arena"] <= round(least * factor)
    for slower, faster in pairwise(found):
        assert estimate(faster) <= 1.05 * estimate(slower)


SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "models"


def shared(name: str) -> Path:
    file = SHARED / f"{name}.tflite"
    if not file.exists():
        pytest.skip(f"there is no ../shared/models/{file.name}")
    return file


def test_the_search_for_patches_goes_past_the_layers_that_gain_little() -> None:
    """The least arena lies behind depths at which coarse patches need much more than others."""
    model = shared("mlperf_vww_mobilenet96")
    options = {"target": "cortex-m7", "io": "int8", "input": "pull", "schedule": "patch", "minimize": "sram"}
    forced = tflm_mcunet.compile(model, patches=6, patch_depth=8, **options).report["sram"]["arena"]  # type: ignore[arg-type]
    assert tflm_mcunet.compile(model, **options).report["sram"]["arena"] <= forced  # type: ignore[arg-type]


@pytest.mark.parametrize("coarse", [0, 1000])
@pytest.mark.parametrize("least", [1, 998, 65_111, 65_999, 66_400])
def test_few_searches_find_the_least_arena(least: int, coarse: int) -> None:
    """Also where each succeeds but a few bytes below the last."""
    limits = list[int]()

    def within(limit: int) -> Planned | None:
        limits.append(limit)
        return planned(limit - limit % 7 if limit - limit % 7 >= least else limit) if limit >= least else None

    found = choice.descended(planned(66_400), within, coarse).plan.arena
    assert least <= found <= least * (1 + 1 / coarse if coarse else 1)
    assert len(limits) <= (25 if coarse else 40)


def planned(arena: int) -> Planned:
    return Planned(None, None, None, Plan((), {}, {}, arena, 0, optimal=False))  # type: ignore[arg-type]


def test_recomputation_that_saves_next_to_nothing_is_not_done() -> None:
    options = {"target": "cortex-m7", "io": "int8", "minimize": "sram"}
    once = tflm_mcunet.compile(shared("tflm_person_detect"), **options).report  # type: ignore[arg-type]
    again = tflm_mcunet.compile(shared("tflm_person_detect"), macs_budget=1.1, **options).report  # type: ignore[arg-type]
    saved = again["sram"]["arena"] < 0.98 * once["sram"]["arena"]
    assert saved or again["macs_recomputed"] == 0


KEYWORDS = MODEL.parents[1] / "keyword_spotting" / "model.tflite"


@pytest.mark.parametrize("limits", [(5132, 5900, 6800, 7800, 8942), (10273, 11803, 13425, 14320, 16000)])
def test_more_memory_is_never_slower(limits: tuple[int, ...]) -> None:
    """Within 1%, below which the search looks no further."""
    found = [estimate(tflm_mcunet.compile(KEYWORDS, target="cortex-m7", io="int8", sram=limit)) for limit in limits]
    for slower, faster in pairwise(found):
        assert faster <= 1.01 * slower


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_the_search_for_patches_finds_what_forcing_finds(factor: float) -> None:
    least = compiled(schedule="patch", minimize="sram").report["sram"]["arena"]
    for patches, depth in ((2, 1), (3, 1), (4, 2), (5, 3)):
        try:
            forced = compiled(schedule="patch", minimize="sram", patches=patches, patch_depth=depth)
        except PatchError:
            continue
        arena = forced.report["sram"]["arena"]
        assert least <= arena
        limit = round(factor * arena)
        found = compiled(schedule="patch", sram=limit).report
        assert found["sram"]["arena"] <= limit
        assert found["macs_recomputed"] <= forced.report["macs_recomputed"]
