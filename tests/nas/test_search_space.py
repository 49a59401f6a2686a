"""The choice of a space: what fits is counted, the same seed gives the same answer, and what cannot be gets one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas import pricing, space
from nas.limits import Limits, limits
from nas.search_space import Choice, Judge, Sample, best, plot, search_space
from patch_scheduler.batch import estimate
from tests.test_cli import checked_json, command, error_of
from tflm_mcunet import targets
from tflm_mcunet.errors import Error

ARGUMENTS = ("search", "space", "--target", "stm32f746", "--space", "small_image", "--networks", 20, "--sram", "24KB")


@pytest.fixture(scope="module")
def prices() -> pricing.Pricing:
    return pricing.fit(space.load("mfcc"), targets.load("stm32f746"))


@pytest.mark.parametrize(
    ("schedule", "pull", "expected"),
    [
        ("layer", False, lambda e: e.layer),
        ("stream", False, lambda e: e.stream_arena),
        ("stream", True, lambda e: e.stream_pulled_arena),
        ("patch", False, lambda e: e.patch),
        ("auto", False, lambda e: np.minimum(e.layer, e.stream_arena)),
    ],
)
def test_what_fits(prices: pricing.Pricing, schedule: str, pull: bool, expected: object) -> None:
    mfcc = space.load("mfcc")
    genes = mfcc.sample(np.random.default_rng(0), 300)
    found = estimate(mfcc.architectures(genes))
    arenas = expected(found)  # type: ignore[operator]
    allowed = Limits(int(np.median(arenas)), int(np.median(found.weights) * 1.2) + prices.code, None)
    judge = Judge(allowed, prices, schedule, pull)
    needs = judge.needs(mfcc, genes)
    assert (needs.sram == arenas).all()
    fits = judge.fits(needs)
    assert (fits == ((arenas <= allowed.sram) & (needs.flash <= allowed.flash))).all()
    assert 0 < fits.sum() < 300
    within = Judge(Limits(None, None, int(np.median(needs.instructions))), prices, schedule, pull)
    assert 145 <= within.fits(needs).sum() <= 155


def test_patches_and_streams_cost_more_than_layers(prices: pricing.Pricing) -> None:
    mfcc = space.load("mfcc")
    genes = mfcc.sample(np.random.default_rng(0), 50)
    layer, stream, patch = (
        Judge(Limits(None, None, None), prices, how).needs(mfcc, genes).instructions for how in ("layer", "stream", "patch")
    )
    assert (stream > layer).all()
    assert (patch >= layer).all()


def test_choice_is_reproducible_on_any_number_of_processes() -> None:
    chosen, board = space.load("small_image"), targets.load("stm32f746")
    allowed = limits(board, sram="20KB")
    one, two, other = (
        search_space(chosen, board, allowed, count=30, seed=seed, processes=processes)
        for seed, processes in ((4, 0), (4, 2), (5, 0))
    )
    assert [s.as_dict() for s in one.samples] == [s.as_dict() for s in two.samples]
    assert one.best == two.best
    assert [s.as_dict() for s in one.samples] != [s.as_dict() for s in other.samples]
    assert len(one.samples) == 20


def test_spaces_where_next_to_nothing_fits_are_not_chosen() -> None:
    few = Sample((32, 32), 1.5, 1000, np.array([90] * 9))
    many = Sample((28, 28), 1.0, 1000, np.array([50] * 500))
    assert best((few, many), Limits(1, None, None)) == 1
    with pytest.raises(Error, match=r"no space has 1% networks that fit 1 bytes of SRAM \(at most 0.9%\)"):
        best((few,), Limits(1, None, None))


def test_plots(tmp_path: Path) -> None:
    samples = (Sample((32, 32), 1.5, 10, np.array([], int)), Sample((28, 20), 1.0, 10, np.array([50, 60])))
    plot(Choice(samples, 1), str(tmp_path / "a.png"), "title")
    plot(Choice(samples, 1), str(tmp_path / "a.svg"), "title")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(Error, match="cannot write"):
        plot(Choice(samples, 1), str(tmp_path / "a.xyz"), "title")


def test_command_line(tmp_path: Path) -> None:
    data = checked_json("search_space", *ARGUMENTS, "--plot", tmp_path / "a.svg")
    assert data["limits"] == {"sram": 24576, "flash": 1 << 20, "instructions": None}
    assert len(data["spaces"]) == 20
    assert (tmp_path / "a.svg").exists()
    chosen = next(each for each in data["spaces"] if {"resolution": each["resolution"], "width": each["width"]} == data["choice"])
    assert chosen["macs"]["mean"] == max(each["macs"]["mean"] or 0 for each in data["spaces"] if each["share"] >= 0.01)
    done = command(*ARGUMENTS, "--processes", 0)
    assert done.returncode == 0, done.stderr
    assert f"{data['choice']['width']:g}, resolution {data['choice']['resolution'][0]};" in done.stdout


def test_bad_command_lines() -> None:
    assert "did you mean 'small_image'" in error_of("search", "space", "--target", "stm32f746", "--space", "smal_image")
    assert "limits nothing" in error_of("search", "space", "--target", "generic")
    assert "no space has 1% networks that fit" in error_of(*ARGUMENTS[:-1], "1KB", "--processes", 0)
    assert "number of instructions" in error_of(*ARGUMENTS, "--latency", "3 seconds")
    assert "unknown option --sede" in error_of(*ARGUMENTS, "--sede", 1)
    assert "reads the whole image" in error_of(*ARGUMENTS, "--schedule", "layer", "--input", "pull")
    assert "draw at least one" in error_of(*ARGUMENTS, "--networks", 0)
