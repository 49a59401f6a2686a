"""Boards and cores: every file loads, figures that people rely on, and helpful errors."""

from __future__ import annotations

import pytest

from tflm_mcunet import targets
from tflm_mcunet.errors import Error
from tflm_mcunet.execute import cores
from tflm_mcunet.options import Options


@pytest.mark.parametrize("name", targets.names())
def test_every_target_is_complete(name):
    target = targets.load(name)
    assert target.name == name
    assert target.description
    assert target.core in targets.CORES
    bare = name in targets.CORES
    assert bare == (target.core == name) == (target.sram is None) == (target.clock_hz is None)
    assert bare or target.flash_bytes or name == "corstone-300"
    assert ("mve" in target.features) == (target.core == "cortex-m55")
    assert ("dsp" in target.features) == (target.core in ("cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"))


@pytest.mark.parametrize(
    ("name", "core", "sram_kb", "flash_kb"),
    [
        ("stm32f412", "cortex-m4", 256, 1024),
        ("stm32f446", "cortex-m4", 128, 512),
        ("stm32f746", "cortex-m7", 320, 1024),
        ("stm32f765", "cortex-m7", 512, 2048),
        ("stm32l4r5", "cortex-m4", 640, 2048),
        ("nano33ble", "cortex-m4", 256, 1024),
        ("stm32n6", "cortex-m55", 3968, 65536),
        ("rp2040", "cortex-m0plus", 264, 2048),
        ("rp2350", "cortex-m33", 520, 4096),
        ("esp32s3", "generic", 480, 8192),
    ],
)
def test_figures_of_boards(name, core, sram_kb, flash_kb):
    target = targets.load(name)
    assert (target.core, target.sram_bytes, target.flash_bytes) == (core, sram_kb * 1024, flash_kb * 1024)


def test_banks_keep_their_order():
    banks = targets.load("stm32f746").sram
    assert [(bank.name, bank.bytes // 1024) for bank in banks] == [("dtcm", 64), ("sram1", 240), ("sram2", 16)]


@pytest.mark.parametrize(
    ("name", "total_kb", "largest_kb"),
    [("stm32f746", 320, 320), ("stm32h743", 992, 512), ("stm32u585", 784, 768), ("stm32l4r5", 640, 640), ("alif-e7", 7680, 4096)],
)
def test_an_arena_is_bounded_by_adjacent_banks(name, total_kb, largest_kb):
    target = targets.load(name)
    assert (target.sram_bytes, target.contiguous_sram_bytes) == (total_kb * 1024, largest_kb * 1024)
    assert targets.load("cortex-m4").contiguous_sram_bytes is None


def test_every_core_but_generic_is_emulated():
    assert set(targets.CORES) - {"generic"} == set(cores.CORES)


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(Error, match="unknown target 'stm32f764': did you mean 'stm32f7"):
        targets.load("stm32f764")
    with pytest.raises(Error, match=r"unknown target '\.\./x': `tflm-mcunet targets` lists them"):
        targets.load("../x")
    assert targets.load("STM32F746").name == "stm32f746"


def test_only_the_asked_file_is_read(tmp_path, monkeypatch):
    for name, text in (("good", 'core = "generic"\ndescription = "d"\n'), ("bad", "no toml"), ("odd", "core = 'z80'\n")):
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.setattr(targets, "_FOLDER", tmp_path)
    assert targets.load("good").sram_bytes is None
    with pytest.raises(Error, match=r"bad\.toml: "):
        targets.load("bad")
    with pytest.raises(Error, match=r"odd\.toml: 'z80' is not known"):
        targets.load("odd")


def test_boards_name_the_exports_that_know_them():
    from tflm_mcunet.options import EXPORTS

    boards = [targets.load(name) for name in targets.names() if name not in targets.CORES]
    assert all(board.exports and set(board.exports) <= set(EXPORTS) for board in boards)
    assert {export for board in boards for export in board.exports} == set(EXPORTS)
    assert targets.load("stm32f746").external_flash.origin == 0x9000_0000


@pytest.mark.parametrize("name", targets.names())
def test_boards_keep_sram_for_stack_heap_and_runtime(name):
    target = targets.load(name)
    if target.sram is None:
        assert target.reserved_bytes == 0
        assert target.arena_bytes is None
    else:
        assert 8 * 1024 <= target.reserved_bytes < target.contiguous_sram_bytes
        assert Options(target=name).sram_limit == target.arena_bytes == target.contiguous_sram_bytes - target.reserved_bytes
        assert Options(target=name, sram=target.sram_bytes).sram_limit == target.sram_bytes


@pytest.mark.parametrize("name", targets.names())
def test_banks_of_a_region_hold_the_same_sections(name):
    banks = targets.load(name).sram or ()
    for region in {bank.region for bank in banks if bank.region}:
        assert len({bank.section for bank in banks if bank.region == region}) == 1
    assert len({bank.region for bank in banks if bank.section == ".bss"}) <= 1


@pytest.mark.parametrize("name", [name for name in targets.names() if name not in targets.CORES])
def test_every_board_says_where_linker_scripts_put_data(name):
    banks = targets.load(name).sram
    assert [bank for bank in banks if bank.section == ".bss"]
    assert all(bank.region or bank.section == ".bss" for bank in banks if bank.section)


@pytest.mark.parametrize("name", targets.names())
def test_regions_of_linker_scripts_are_contiguous(name):
    runs = targets.load(name).runs
    for region in {bank.region for run in runs for bank in run if bank.region}:
        assert sum(any(bank.region == region for bank in run) for run in runs) == 1
