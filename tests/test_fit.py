"""Messages of models that do not fit: by how much they miss, and what would fit instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

import tflm_mcunet
from tests.models import small_network
from tests.networks.generate import generate_seeded
from tests.networks.test_schedules import mobile_network
from tflm_mcunet import targets
from tflm_mcunet.compiler import build
from tflm_mcunet.fit import DoesNotFit, check_flash, check_sram, misnamed, notes, unchecked
from tflm_mcunet.kernels.flash import code_bytes
from tflm_mcunet.operators import OPERATORS
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.options import Options
from tflm_mcunet.passes.patches import PatchError


def arenas(**sizes: int) -> Callable[[Options], int]:
    """Arenas by the option that is not the default's."""
    defaults = Options()

    def arena(options: Options) -> int:
        changed = [
            name for name in ("schedule", "io", "input", "macs_budget") if getattr(options, name) != getattr(defaults, name)
        ]
        return sizes["_".join(changed)]

    return arena


@pytest.mark.parametrize(
    ("options", "wide", "sizes", "message"),
    [
        (Options(sram=100), False, {"input": 80}, "; --input pull needs 80 bytes of SRAM"),
        (Options(sram=100), True, {"io": 99}, "; --io int8 needs 99 bytes of SRAM"),
        (Options(sram=100), True, {"io": 120, "io_input": 90}, "; --io int8 --input pull needs 90 bytes of SRAM"),
        (Options(sram=100, schedule="layer"), False, {"": 100}, "; --schedule auto needs 100 bytes of SRAM"),
        (
            Options(sram=100),
            False,
            {"input": 150, "macs_budget": 130, "input_macs_budget": 140},
            "either: --macs-budget 1.5 needs 130 bytes of SRAM",
        ),
        (
            Options(sram=100),
            False,
            {"input": 150, "macs_budget": 130, "input_macs_budget": 90},
            "; --input pull --macs-budget 1.5 needs 90 bytes of SRAM",
        ),
        (Options(sram=100), False, {"input": 200, "macs_budget": 200, "input_macs_budget": 200}, "more than --sram 100"),
        (Options(sram=100, macs_budget=2.0), False, {"input_macs_budget": 99}, "; --input pull needs 99 bytes of SRAM"),
        (Options(sram=100, input="pull"), False, {"input_macs_budget": 80}, "; --macs-budget 1.5 needs 80 bytes of SRAM"),
        (Options(sram=100, input="pull", macs_budget=1.5), False, {}, "more than --sram 100"),
    ],
)
def test_hints(options, wide, sizes, message):
    with pytest.raises(DoesNotFit) as caught:
        check_sram(200, options, wide, arenas(**sizes))
    least = "found" if options.macs_budget > 1 else "possible"
    text = f"the model needs an arena of 200 bytes, the least {least} with these options, 100 more than --sram 100"
    assert str(caught.value).startswith(text)
    assert str(caught.value).endswith(message)


def test_what_fits_is_quiet():
    check_sram(100, Options(sram=100), True, arenas())
    check_sram(1 << 40, Options(), True, arenas())
    check_flash(1 << 40, 1 << 20, Options())
    check_flash(1000 << 10, 24 << 10, Options(target="stm32f746"))
    check_flash(16384 << 10, 1000 << 10, Options(target="stm32f746", extras=("external-weights",)))


def test_flash():
    found = r"at least 600 bytes of code, 24 more than the flash of stm32f746 \(1048576 bytes\); --with external-weights fits$"
    with pytest.raises(DoesNotFit, match=found):
        check_flash(1048000, 600, Options(target="stm32f746"))
    with pytest.raises(DoesNotFit, match=r"constants, 1 more than the external flash of stm32f746"):
        check_flash((16384 << 10) + 1, 600, Options(target="stm32f746", extras=("external-weights",)))


@pytest.mark.parametrize(
    ("board", "constants", "code"), [("stm32h743", 3 << 20, 0), ("stm32f746", 17 << 20, 0), ("stm32f746", 0, 2 << 20)]
)
def test_external_weights_are_no_remedy_where_they_do_not_fit(board, constants, code):
    with pytest.raises(DoesNotFit, match=r"; take a smaller model, or a board with more flash$"):
        check_flash(constants, code, Options(target=board))


def test_code_must_fit_beside_external_weights():
    with pytest.raises(
        DoesNotFit, match=r"has at least 1048577 bytes of code, 1 more than the flash of stm32f746 \(1048576 bytes\)"
    ):
        check_flash(5, (1 << 20) + 1, Options(target="stm32f746", extras=("external-weights",)))


def test_external_flash_that_nobody_described_is_not_checked():
    outside = ("external-weights",)
    check_flash(1 << 30, 0, Options(target="stm32h743", extras=outside))
    assert "stm32h743 has no external flash" in str(unchecked(Options(target="stm32h743", extras=outside)))
    for options in (Options(target="stm32h743"), Options(target="stm32f746", extras=outside), Options(extras=outside)):
        assert unchecked(options) is None


def test_code_counts_what_kernels_share_once():
    board = Options(target="cortex-m7").board
    both = code_bytes(("mcu_conv2d", "mcu_add_linear"), board)
    assert 0 < code_bytes(("mcu_conv2d",), board) < both
    assert code_bytes(("mcu_conv2d", "mcu_add_linear", "mcu_conv2d", "mcu_unheard_of"), board) == both
    assert both <= code_bytes(("mcu_conv2d",), board) + code_bytes(("mcu_add_linear",), board)


def test_the_hint_is_true():
    model = small_network(float_edges=True)
    with pytest.raises(DoesNotFit, match="--io int8 needs ") as caught:
        tflm_mcunet.compile(model, sram=200)
    size = int(str(caught.value).split()[-4])
    assert tflm_mcunet.compile(model, sram=size, io="int8").report["sram"]["arena"] <= size <= 200


WAYS: list[dict[str, Any]] = [
    {},
    {"input": "pull"},
    {"schedule": "stream"},
    {"schedule": "layer", "input": "pull"},
    {"schedule": "patch"},
    {"macs_budget": 1.1},
    {"macs_budget": 2.0, "input": "pull"},
    {"minimize": "flash", "target": "cortex-m7"},
    {"minimize": "sram", "target": "cortex-m7", "input": "pull"},
]
"""What changes what the least arena is."""


def needed(model: bytes, options: Options) -> int | None:
    """The arena that the error names; None where the model fits. Raises what else is wrong."""
    try:
        assert build(model, options=options).plan.arena <= (options.sram or 0)
    except DoesNotFit as error:
        arena, over = map(int, re.findall(r"an arena of (\d+) bytes.*?, (\d+) more than", str(error))[0])
        assert arena - over == options.sram
        return arena
    return None


def check_least(models: Iterable[bytes], way: Mapping[str, Any]) -> int:
    """That what is named as the least compiles and one byte less does not; of how many models an error names it."""
    checked = 0
    for model in models:
        options = Options(sram=1, **way)
        try:
            least = needed(model, options)
        except (PatchError, Unsupported):  # nothing that patches could run, no int8 input to pull
            continue
        if least is not None:
            checked += 1
            assert needed(model, replace(options, sram=least)) is None
            assert needed(model, replace(options, sram=max(least - 1, 1))) == least
    return checked


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_is_named_as_the_least_compiles_and_one_byte_less_does_not(way):
    assert check_least([generate_seeded(seed, OPERATORS).model for seed in (302, 303, 305, 309)], way) >= 1


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_least_of_many_networks(way):
    models = [generate_seeded(seed, OPERATORS).model for seed in range(300, 330)]
    assert check_least([mobile_network(0, (19, 26)), *models], way) >= 10


def test_a_lack_of_flash_is_named_beside_one_of_sram(monkeypatch):
    board = replace(targets.load("stm32f446"), flash_bytes=100)
    monkeypatch.setattr(targets, "load", lambda name: board)
    with pytest.raises(
        DoesNotFit, match=r"needs \d+ bytes of SRAM; the model has .* more than the flash of stm32f446 \(100 bytes\)"
    ):
        tflm_mcunet.compile(small_network(float_edges=True), target="stm32f446", sram=200)


def test_what_is_reserved_is_named():
    with pytest.raises(DoesNotFit) as caught:
        check_sram((304 << 10) + 1, Options(target="stm32f746", input="pull", macs_budget=1.5), False, arenas())
    found = "1 more than stm32f746 (311296 bytes of contiguous SRAM beside 16384 kept for stack, heap and runtime: see --sram)"
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("target", "export", "found"),
    [
        (
            "stm32f746",
            "arduino",
            ["stm32f746 is not known to arduino's tools: its exports are stm32cube, zephyr, platformio, mbed"],
        ),
        ("stm32f746", "zephyr", []),
        ("stm32f746", "cmake", []),
        ("stm32f746", None, []),
        ("cortex-m7", "arduino", []),
    ],
)
def test_exports_that_do_not_know_a_board_are_noted(target, export, found):
    assert list(notes(Options(target=target, export=export))) == found


@pytest.mark.parametrize(
    ("export", "folder", "noted"), [("espidf", "a/net", False), ("espidf", "a/other", True), ("cmake", "a/other", False)]
)
def test_folders_that_esp_idf_calls_otherwise_are_noted(export, folder, noted):
    note = misnamed(Options(export=export), "net", folder)
    assert note == ("ESP-IDF calls a component like its folder: rename other to net" if noted else None)
