"""The pages in a real browser: nothing on the console, nothing fetched, nothing cut off; sorting and hovering work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.models import small_network
from tests.report.browser import COMMAND, Page, chromium
from tflm_mcunet.compare import compare
from tflm_mcunet.options import Options
from tflm_mcunet.report.analysis import analyze
from tflm_mcunet.report.page import comparison, page, short

pytestmark = pytest.mark.skipif(COMMAND is None, reason="Chromium is missing")

WIDTHS = (390, 760, 1280)
LONG = "a_model_with_a_name_that_is_longer_than_a_telephone_is_wide_" * 3 + ".tflite"


def residual_network() -> bytes:
    """Pointwise convolutions with a residual around each pair, and a pool, whose DSP kernel is a class made on the fly."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    x = b.input((1, 16, 16, 8), scale=0.05, zero_point=3)
    for _ in range(3):
        y = x
        for _ in range(2):
            weights = b.constant(rng.integers(-127, 128, (8, 1, 1, 8)), scale=rng.uniform(0.005, 0.02, 8))
            z = b.tensor((1, 16, 16, 8), scale=0.1, zero_point=-128)
            b.operator("CONV_2D", [y, weights, -1], [z], "Conv2DOptions", strideH=1, strideW=1, fusedActivationFunction=1)
            y = z
        total = b.tensor((1, 16, 16, 8), scale=0.1, zero_point=0)
        b.operator("ADD", [x, y], [total], "AddOptions")
        x = total
    pooled = b.tensor((1, 8, 8, 8), scale=0.1, zero_point=0)
    b.operator("AVERAGE_POOL_2D", [x], [pooled], "Pool2DOptions", strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    return b.build([pooled])


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    residual = folder / LONG[-60:]
    residual.write_bytes(residual_network())
    accuracy = {
        "samples": 30, "correct": 12, "accuracy": 0.4, "classes": [f"class {i}" for i in range(12)],
        "confusion": [[1] * 12] * 12, "tflm": {"samples": 3, "bytes": 36, "differing": 0},
    }  # fmt: skip
    texts = {
        "small": page(analyze(small_network(), "small.tflite", Options(target="stm32h743"))),
        "residual": page({**analyze(residual_network(), LONG, Options(target="nano33ble")), "accuracy": accuracy}),
        "misses": page(analyze(residual_network(), "too_large.tflite", Options(target="nano33ble", sram=1000))),
        "compared": comparison(compare([str(residual), f"{residual}:stream", f"{residual}:patch"], Options(target="nano33ble"))),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("name", ["small", "residual", "misses", "compared"])
@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_quiet_and_fits(browser: Page, pages: dict[str, Path], name: str, width: int) -> None:
    browser.problems.clear()
    for dark in (False, True):
        browser.open(pages[name], width, dark=dark)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run(BEYOND) == []
    assert browser.problems == []


BEYOND = """[...document.querySelectorAll("main *")].filter(e => !e.closest(".wide") && !e.closest("svg")
    && e.getBoundingClientRect().width > 0
    && (e.getBoundingClientRect().right > innerWidth + 0.5 || e.getBoundingClientRect().left < -0.5)).map(e => e.outerHTML)"""


PAPER = 718
"""Pixels between the margins of a printed A4 page."""


@pytest.mark.parametrize("name", ["small", "residual", "misses", "compared"])
def test_print_has_nothing_hidden(browser: Page, pages: dict[str, Path], name: str) -> None:
    """What scrolls on a screen is whole on paper, and nothing is wider than it."""
    browser.open(pages[name], PAPER)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.run(CUT) == []
        assert browser.run(BEYOND_PAPER) == []
        assert browser.run(LARGE_HEADS) == []
        assert browser.call("Page.printToPDF", printBackground=True)["data"].startswith("JVBER")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


CUT = """[...document.querySelectorAll("main *")].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0
    && !e.closest("svg") && getComputedStyle(e).overflowX !== "visible").map(e => e.outerHTML.slice(0, 200))"""

LARGE_HEADS = """[...document.querySelectorAll("th")].filter(e => parseFloat(getComputedStyle(e).fontSize)
    > parseFloat(getComputedStyle(e.closest("table")).fontSize)).map(e => e.outerHTML.slice(0, 200))"""

BEYOND_PAPER = """[...document.querySelectorAll("main *")].filter(e => !e.closest("svg") && e.getBoundingClientRect().width > 0
    && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 200))"""


def test_headings_sort(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["residual"], 1280)
    for heading, descending in (("SRAM", True), ("operator", False), ("#", True)):
        button = f"[...document.querySelectorAll('#operators th button')].find(b => b.textContent === '{heading}')"
        browser.run(f"{button}.scrollIntoView({{block: 'center'}})")
        box = browser.run(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({button}.getBoundingClientRect())")
        for turned in (False, True):
            browser.click(*box)
            cells = browser.run(
                f"[...document.querySelectorAll('#operators tbody tr')].map(r => r.cells[{button}.parentElement.cellIndex])"
                ".map(c => c.dataset.value === undefined ? c.textContent : Number(c.dataset.value))"
            )
            assert len(cells) == 10
            assert cells == sorted(cells, reverse=descending != turned)
            order = browser.run(f"{button}.parentElement.getAttribute('aria-sort')")
            assert order == ("descending" if descending != turned else "ascending")


def test_hovering_names_a_buffer(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["residual"], 390)
    buffer = "document.querySelector('.plot.large .buffer.elementwise')"
    browser.run(f"{buffer}.scrollIntoView({{block: 'center'}})")
    at = browser.run(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({buffer}.getBoundingClientRect())")
    assert browser.run("document.getElementById('tip').hidden")
    browser.hover(*at)
    assert not browser.run("document.getElementById('tip').hidden")
    text = browser.run("document.getElementById('tip').textContent")
    assert "16×16×8, 2,048 bytes, by " in text
    assert "alive from step " in text
    box = browser.run("(({left, right, top}) => [left, right, top])(document.getElementById('tip').getBoundingClientRect())")
    assert box[0] >= 0
    assert box[1] <= 390
    assert box[2] >= 0


def test_the_verdict_says_by_how_much(browser: Page, pages: dict[str, Path]) -> None:
    browser.open(pages["misses"], 390)
    assert "1,224 more are needed" in browser.run("document.querySelector('.verdict.misses').textContent")
    assert "more than --sram 1000" in browser.run("document.querySelector('.problem').textContent")
    browser.open(pages["small"], 390)
    assert browser.run("document.querySelector('.verdict').textContent").startswith("fits stm32h743, with ")
    banks = browser.run("[...document.querySelectorAll('.bars .label')].map(e => e.textContent)")
    assert banks[:8] == ["SRAM", "· dtcm", "· axi", "· d2-sram1", "· d2-sram2", "· d2-sram3", "· d3-sram4", "flash"]


@pytest.mark.parametrize(("value", "text"), [(960, "960"), (12_945, "12.9k"), (999_700, "1M"), (1_049_000, "1.05M"), (0, "0")])
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text
