"""Verdicts agree with what the compiler refuses: constants and code, each against the memory that holds it."""

from __future__ import annotations

import pytest

from tflm_mcunet.fit import DoesNotFit, check_flash
from tflm_mcunet.options import Options
from tflm_mcunet.report.verdict import sentence, verdict

INSIDE, OUTSIDE = (), ("external-weights",)
FLASH, EXTERNAL = 1 << 20, 16 << 20
"""Of stm32f746."""


@pytest.mark.parametrize(
    ("extras", "constants", "code"),
    [
        (INSIDE, FLASH - 600, 600),
        (INSIDE, FLASH - 599, 600),
        (OUTSIDE, FLASH, FLASH),
        (OUTSIDE, EXTERNAL, 600),
        (OUTSIDE, EXTERNAL + 1, 600),
        (OUTSIDE, 600, FLASH + 1),
    ],
)
def test_verdict_and_compiler_agree(extras, constants, code):
    options = Options(target="stm32f746", extras=extras)
    fits = True
    try:
        check_flash(constants, code, options)
    except DoesNotFit:
        fits = False
    assert verdict(options, 1000, constants, code)["fits"] == fits


def test_code_is_part_of_what_flash_needs():
    found = verdict(Options(target="stm32f746"), 1000, 100_000, 576)
    assert found["flash"] == {"need": 100_576, "limit": FLASH, "spare": FLASH - 100_576}
    assert found["external_flash"] is None
    assert sentence(found, "stm32f746").startswith(
        "fits stm32f746, with 310,296 bytes of SRAM and at most 948,000 bytes of flash to spare; "
    )


def test_external_weights_take_no_flash_inside():
    found = verdict(Options(target="stm32f746", extras=OUTSIDE), 1000, FLASH + 100, 576)
    assert found["flash"]["need"] == 576
    assert found["external_flash"] == {"need": FLASH + 100, "limit": EXTERNAL, "spare": EXTERNAL - FLASH - 100}
    assert "and at most 1,048,000 bytes of flash and 15,728,540 bytes of external flash to spare" in sentence(found, "stm32f746")


def test_external_flash_that_nobody_described_limits_nothing():
    found = verdict(Options(target="stm32f446", extras=OUTSIDE), 1000, 1 << 30, 576)
    assert found["fits"]
    assert found["external_flash"] == {"need": 1 << 30, "limit": None, "spare": None}
    assert "external" not in sentence(found, "stm32f446")


def test_what_is_missing_is_named():
    found = verdict(Options(target="stm32f746", extras=OUTSIDE), 1000, EXTERNAL + 2, FLASH + 1)
    missing = "at least 1 bytes of flash and 2 bytes of external flash are missing"
    assert sentence(found, "stm32f746").startswith(f"does not fit stm32f746: {missing}")


@pytest.mark.parametrize(
    ("arena", "said"),
    [
        (1000, "fits the limit of 16,384 bytes (--sram), with 15,384 bytes to spare"),
        (16_385, "does not fit the limit of 16,384 bytes (--sram): 1 more are needed"),
    ],
)
def test_a_limit_that_was_asked_for_is_not_blamed_on_the_board(arena, said):
    options = Options(target="stm32f746", sram=16_384)
    assert sentence(verdict(options, arena, 100_000, 576), "stm32f746") == (
        f"{said}; fits stm32f746, with at most 948,000 bytes of flash to spare"
    )
    assert sentence(verdict(Options(sram=16_384), arena, 100_000, 576), "generic") == said
