"""Generated C under sanitizers: clean code runs, the first bad access or overflow ends the run."""

from __future__ import annotations

import numpy as np
import pytest

from tests.execute import toys
from tflm_mcunet.execute.build import BuildError
from tflm_mcunet.execute.generated import RunError
from tflm_mcunet.execute.sanitize import run_sanitized


@pytest.mark.parametrize("make", [toys.whole, toys.pull])
def test_clean_code_gives_its_outputs(tmp_path, make):
    samples = [[toys.SAMPLE], [toys.SAMPLE[:, ::-1]]]
    outputs = run_sanitized(make(tmp_path), samples)
    for sample, output in zip(samples, outputs, strict=True):
        np.testing.assert_array_equal(output[0], sample[0] + 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("static int8_t *end = arena; end[12 + (arena[0] != 99)] = 1;", "global-buffer-overflow|insufficient space"),
        ("int32_t big = INT32_MAX - 5; result[0] = (int8_t)(big - arena[0]);", "signed integer overflow"),
    ],
)
def test_findings_end_the_run(tmp_path, body, message):
    with pytest.raises(RunError, match=message):
        run_sanitized(toys.whole(tmp_path, body=body), [[toys.SAMPLE]])


def test_rows_out_of_order_end_the_run(tmp_path):
    with pytest.raises(RunError, match="rows were not asked for in order"):
        run_sanitized(toys.pull(tmp_path, first=1), [[toys.SAMPLE]])


def test_sizes_must_agree_with_the_header(tmp_path):
    model = toys.whole(tmp_path)
    header = tmp_path / "toy.h"
    header.write_text(header.read_text().replace("INPUT_0_BYTES 12", "INPUT_0_BYTES 13"))
    with pytest.raises(BuildError, match="TOY_INPUT_0_BYTES is not 12"):
        run_sanitized(model, [[toys.SAMPLE]])
