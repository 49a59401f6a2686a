"""Arenas that are too large for tables of 16-bit places of rows."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.models import small_network
from tests.oracle import on_host, random_samples
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.execute.build import BuildError
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.options import Options


def large_network() -> bytes:
    """Convolutions over an image of 563,200 bytes, with other rows behind it: words beyond 524,288 bytes."""
    b, rng = ModelBuilder(), np.random.default_rng(3)
    x = b.input((1, 128, 1100, 4), scale=0.05, zero_point=3)
    for channels, size, stride in ((11, 3, 2), (3, 7, 2), (9, 7, 1), (3, 7, 1)):
        _, height, width, depth = b.shape(x)
        weights = b.constant(rng.integers(-127, 128, (channels, size, size, depth)), scale=[0.01] * channels)
        bias = b.constant(rng.integers(-500, 500, channels), np.int32, scale=[0.0005] * channels)
        y = b.tensor((1, -(-height // stride), -(-width // stride), channels), scale=0.05, zero_point=3)
        b.operator("CONV_2D", [x, weights, bias], [y], "Conv2DOptions", strideH=stride, strideW=stride)
        x = y
    return b.build([x])


@pytest.fixture(scope="module")
def large() -> Program:
    return build(large_network(), "large", Options(name="large", schedule="stream", minimize="sram"))


@pytest.fixture(scope="module")
def small() -> Program:
    return build(small_network(), "small", Options(name="small", schedule="stream", minimize="sram"))


def test_rows_beyond_16_bits(large: Program, small: Program) -> None:
    """Bit-exact, also where a model with places of 16 bits follows in the same unit."""
    models = (large_network(), small_network())
    places = [
        int(place)
        for table in re.findall(r"_places\d+\[\d+\] = \{([^}]*)", large.emission.files["large.c"])
        for place in table.split(",")
    ]
    assert max(places) > np.iinfo(np.uint16).max
    with Tflm() as tflm, on_host([large, small]) as compiled:
        for model, program, ours in zip(models, (large, small), compiled, strict=True):
            samples = random_samples(program.graph.inputs, 2)
            for sample, expected in zip(samples, tflm.run(model, samples), strict=True):
                assert (ours.run(sample)[0] == expected.outputs[0]).all()


def test_a_unit_with_narrower_places_is_refused(large: Program, small: Program) -> None:
    with pytest.raises(BuildError, match=r"large\.c has places of rows of more than 16 bits"), on_host([small, large]):
        pass


def test_small_arenas_have_narrow_places(small: Program) -> None:
    assert "MCU_WIDE_PLACES" not in small.emission.files["small.c"]
