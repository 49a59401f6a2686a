"""Each stage alone, on this machine: from TFLM's own tensors of the original model it computes TFLM's next ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import on_host, random_samples
from tests.passes.test_bottlenecks import network
from tests.rewrite.networks import with_unsupported
from tests.rewrite.test_rewrite import MODELS, QUICK, SLOW, edges
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators.inverted_bottleneck import InvertedBottleneck
from tflm_mcunet.options import Options
from tflm_mcunet.rewrite import Rewritten, rewrite


def assert_stages_compute_the_tensors_of_tflm(model: bytes, rewritten: Rewritten, samples: int = 2) -> None:
    """Every byte that a stage writes is that of the tensor in TFLM's interpreter of the original model."""
    with Tflm() as oracle:
        results = oracle.run(model, random_samples(edges(model)[0], samples), intermediates=True)
    with on_host([stage.compiled.program for stage in rewritten.stages]) as hosts:
        for stage, host in zip(rewritten.stages, hosts, strict=True):
            arena = np.zeros(stage.replacement.arena // 8 + 1, np.int64)
            host.set_arena(arena)
            for result in results:
                found = host.run([result.tensors[tensor] for tensor in stage.replacement.inputs])
                for tensor, ours in zip(stage.replacement.outputs, found, strict=True):
                    assert ours.tobytes() == result.tensors[tensor].tobytes(), f"{stage.name}: tensor {tensor}"


@pytest.mark.parametrize("regions", [["0:3"], ["0:1", "1:3", "4:7"], ["2:3", "4:5", "5:"]], ids=str)
@pytest.mark.parametrize("minimize", ["latency", "sram"])
def test_parts_of_a_network(regions: list[str], minimize: str) -> None:
    model = with_unsupported()
    assert_stages_compute_the_tensors_of_tflm(model, rewrite(model, "net", Options(minimize=minimize), regions=regions))


@pytest.mark.skipif(not MODELS.exists(), reason="there is no ../shared/models")
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_published_models_in_three_stages(name: str) -> None:
    """Softmax and its like saturate: tensors in the middle of the model, all of whose values count, are compared, too."""
    model = (MODELS / f"{name}.tflite").read_bytes()
    ends = {"tflm_micro_speech": (1, 2)}.get(name, (3, 7))
    regions = [f"0:{ends[0]}", f"{ends[0]}:{ends[1]}", f"{ends[1]}:"]
    assert_stages_compute_the_tensors_of_tflm(model, rewrite(model, name, regions=regions), samples=1)


def test_a_stage_within_a_budget_of_work() -> None:
    """Bottlenecks that run as one operator in the stage's C have no form in the .tflite, and need none."""
    model, options = network(4), Options(minimize="sram", macs_budget=2.0)
    rewritten = rewrite(model, "net", options, regions=["0:"])
    operators = rewritten.stages[0].compiled.program.lowered.operators
    assert any(isinstance(op, InvertedBottleneck) for op in operators)
    assert_stages_compute_the_tensors_of_tflm(model, rewritten)
