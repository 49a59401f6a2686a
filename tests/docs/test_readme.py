"""The README's table says what benchmarks/ measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
ROWS = {
    "MCUNet VWW 80x80": "mcunet_vww1_80",
    "person detection FPN 128x160": "person_detection_fpn",
    "ResNet-8, CIFAR-10": "mlperf_ic_resnet8",
    "DS-CNN, keywords": "mlperf_kws_dscnn",
    "MobileNetV1 0.25, VWW 96x96": "mlperf_vww_mobilenet96",
}


def results(folder: str) -> Any:
    return json.loads((ROOT / "benchmarks" / folder / "results.json").read_text())


@pytest.mark.parametrize(("title", "model"), ROWS.items())
def test_the_table_says_what_was_measured(title: str, model: str) -> None:
    whole, arenas = results("models"), results("sram")[model]
    peer = next(whole["peers"][name] for name in (f"{model} (int8 I/O)", model) if name in whole["peers"])
    cells = [title]
    for engine in (peer["cortex-m7"]["tflm_cmsis_nn"], whole["models"][model]["cortex-m7"]):
        cells += [f"{engine['instructions'] / 1e6:#.3g} M", f"{engine['arena']:,}"]
    cells.append(" / ".join(f"{arenas[way]['arena']:,}" for way in ("whole", "pulled")))
    assert f"| {' | '.join(cells)} |" in (ROOT / "README.md").read_text().splitlines()


def test_no_row_goes_unchecked() -> None:
    _, _, table = (ROOT / "README.md").read_text().partition("| model | TFLM + CMSIS-NN |")
    lines = table.split("\n\n")[0].splitlines()[3:]
    assert [line.split("|")[1].strip() for line in lines] == list(ROWS)
