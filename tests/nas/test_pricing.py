"""Networks without weights are what their architectures say, and sums over layers are near what the compiler says of them."""

from __future__ import annotations

import numpy as np
import pytest

from nas import pricing, space
from nas.untrained import untrained
from patch_scheduler import schedule
from patch_scheduler.batch import estimate
from tflm_mcunet import targets
from tflm_mcunet.cost import load as load_cost
from tflm_mcunet.kernels import select_kernels
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.options import Options


@pytest.mark.parametrize("name", ["mfcc", "small_image"])
def test_untrained_graphs_are_those_of_the_architectures(name: str) -> None:
    chosen = space.load(name)
    architectures = chosen.architectures(chosen.sample(np.random.default_rng(0), 20))
    found = estimate(architectures)
    for index, architecture in enumerate(architectures):
        graph = untrained(architecture)
        assert sum(op.macs for op in graph.operators if op.kind != "MEAN") == found.macs[index]
        convolutions = [op for op in graph.operators if "CONV" in op.kind or op.kind == "FULLY_CONNECTED"]
        assert sum(op.input(1).bytes for op in convolutions) == found.weights[index]


def test_estimated_arenas_are_near_the_compilers() -> None:
    """Its least arena, by portable kernels."""
    chosen = space.load("small_image")
    architectures = chosen.architectures(chosen.sample(np.random.default_rng(1), 5))
    expected = estimate(architectures).least
    for architecture, size in zip(architectures, expected, strict=True):
        arena = plan_with_kernels(untrained(architecture), Options(minimize="sram")).plan.arena
        assert 0.9 * size < arena < 1.1 * size
        assert schedule(architecture.network(), minimize="sram")[1].arena < 1.1 * size


@pytest.mark.parametrize("board", ["stm32f746", "rp2040"])
def test_prices_are_near_the_compilers(board: str) -> None:
    chosen, target = space.load("small_image"), targets.load(board)
    genes = chosen.sample(np.random.default_rng(7), 12)
    found, model = pricing.fit(chosen, target).of(chosen, genes), load_cost(target)
    errors = []
    for index, architecture in enumerate(chosen.architectures(genes)):
        operators = select_kernels(untrained(architecture), target.features).operators
        flash = sum(map(pricing.constant_bytes, operators))
        layer, stream = (sum(model.estimate(op, b or op.steps).instructions for op in operators) for b in (None, 1))
        prices = found.flash[index], found.layer[index], found.stream[index]
        errors.append([price / real - 1 for price, real in zip(prices, (flash, layer, stream), strict=True)])
    assert (np.abs(errors) < 0.2).all()
    assert (np.abs(errors).mean(axis=0) < 0.08).all()
