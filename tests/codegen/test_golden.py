"""The generated C of two small models, as files: a change of the compiler shows its effect in review.

`pytest tests/codegen/test_golden.py --update-golden` writes them anew.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import small_network
from tflm_mcunet.compiler import build
from tflm_mcunet.options import Options

GOLDEN = Path(__file__).with_name("golden")
CASES = {
    "layers": (small_network(), Options(name="layers")),
    "pulled": (small_network(float_edges=True), Options(name="pulled", io="int8", input="pull", minimize="sram")),
}


@pytest.mark.parametrize("name", CASES)
def test_generated_c_is_as_reviewed(name: str, request: pytest.FixtureRequest) -> None:
    model, options = CASES[name]
    files = {file: text for file, text in build(model, f"{name}.tflite", options).emission.files.items() if file.startswith(name)}
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(exist_ok=True)
        for file, text in files.items():
            (GOLDEN / file).write_text(text)
    for file, text in files.items():
        assert text == (GOLDEN / file).read_text(), f"{file} changed; if that is meant, run with --update-golden"
