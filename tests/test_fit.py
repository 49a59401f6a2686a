"""Messages of models that do not fit: by how much they miss, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import tflm_mcunet
from tests.models import small_network
from tflm_mcunet.fit import DoesNotFit, check_flash, check_sram
from tflm_mcunet.kernels.flash import code_bytes
from tflm_mcunet.options import Options


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
        (Options(sram=100), False, {"input": 80}, "; --input pull fits with 80 bytes"),
        (Options(sram=100), True, {"io": 99}, "; --io int8 fits with 99 bytes"),
        (Options(sram=100), True, {"io": 120, "io_input": 90}, "; --io int8 --input pull fits with 90 bytes"),
        (Options(sram=100, schedule="layer"), False, {"": 100}, "; --schedule auto fits with 100 bytes"),
        (Options(sram=100), False, {"input": 150, "macs_budget": 130}, "either: --macs-budget 1.5 needs 130 bytes"),
        (Options(sram=100), False, {"input": 200, "macs_budget": 200}, "possible is 7"),
        (Options(sram=100, input="pull"), False, {}, "possible is 7"),
    ],
)
def test_hints(options, wide, sizes, message):
    with pytest.raises(DoesNotFit) as caught:
        check_sram(200, 7, options, wide, arenas(**sizes))
    assert str(caught.value).startswith("the model needs an arena of 200 bytes, 100 more than --sram 100; ")
    assert str(caught.value).endswith(message)


def test_what_fits_is_quiet():
    check_sram(100, 7, Options(sram=100), True, arenas())
    check_sram(1 << 40, 7, Options(), True, arenas())
    check_flash(1 << 40, 1 << 20, Options())
    check_flash(1000 << 10, 24 << 10, Options(target="stm32f746"))
    check_flash(16384 << 10, 2000 << 10, Options(target="stm32f746", extras=("external-weights",)))


def test_flash():
    found = r"1048000 bytes of constants and at least 600 of code, 24 more than the flash of stm32f746 \(1048576 bytes\)"
    with pytest.raises(DoesNotFit, match=found):
        check_flash(1048000, 600, Options(target="stm32f746"))
    with pytest.raises(DoesNotFit, match=r"constants, 1 more than the external flash of stm32f746"):
        check_flash((16384 << 10) + 1, 600, Options(target="stm32f746", extras=("external-weights",)))


def test_code_counts_what_kernels_share_once():
    board = Options(target="cortex-m7").board
    both = code_bytes(("mcu_conv2d", "mcu_add_linear"), board)
    assert 0 < code_bytes(("mcu_conv2d",), board) < both
    assert code_bytes(("mcu_conv2d", "mcu_add_linear", "mcu_conv2d", "mcu_unheard_of"), board) == both
    assert both <= code_bytes(("mcu_conv2d",), board) + code_bytes(("mcu_add_linear",), board)


def test_the_hint_is_true():
    model = small_network(float_edges=True)
    with pytest.raises(DoesNotFit, match="--io int8 fits with ") as caught:
        tflm_mcunet.compile(model, sram=200)
    size = int(str(caught.value).split()[-2])
    assert tflm_mcunet.compile(model, sram=200, io="int8").report["sram"]["arena"] == size
