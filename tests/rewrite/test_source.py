"""Rewritten models in TFLM's interpreter built from its sources, with its reference kernels and CMSIS-NN's around the stages."""

from __future__ import annotations

import pytest

from tests.oracle import random_samples
from tests.rewrite.from_source import Engine
from tests.rewrite.networks import with_unsupported
from tests.rewrite.test_rewrite import edges
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options
from tflm_mcunet.rewrite import rewrite

ENGINES = (Engine("host"), Engine("cortex-m7"), Engine("cortex-m7", "cmsis_nn"))


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: f"{engine.core}-{engine.kernels}")
def test_same_bytes_in_less_memory(engine: Engine) -> None:
    """One stage, and two with an operator of TFLM's between them, under the same kernels as the original."""
    if engine.missing:
        pytest.skip(f"TFLM was not built from its sources: set {', '.join(engine.missing)}")
    model = with_unsupported()
    samples = random_samples(edges(model)[0], 3)
    with Tflm() as oracle:
        expected = b"".join(array.tobytes() for result in oracle.run(model, samples) for array in result.outputs)
    original = engine.run(model, samples)
    assert original.outputs == expected
    for regions in ([], ["0:3", "4:7"]):
        rewritten = rewrite(model, "net.tflite", Options(target="cortex-m7"), regions=regions)
        run = engine.run(rewritten, samples)
        assert run.outputs == original.outputs
        assert rewritten.after <= run.arena < original.arena - (rewritten.before - rewritten.after) // 2
        assert engine.core == "host" or 0 < run.instructions < original.instructions
