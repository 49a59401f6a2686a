"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR against TFLM over factors and coordinate conventions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.oracle import assert_bit_exact
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.operators.base import Unsupported

OPTIONS = {"RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions", "RESIZE_BILINEAR": "ResizeBilinearOptions"}
KINDS = tuple(OPTIONS)


def resize(
    kind: str,
    source: tuple[int, int],
    target: tuple[int, int],
    *,
    channels: int = 2,
    align_corners: bool = False,
    half_pixel_centers: bool = False,
    dtype: Any = np.int8,
    out_type: Any = None,
    out_shape: tuple[int, ...] | None = None,
    size: Any = None,
    size_type: Any = np.int32,
    constant: bool = True,
) -> bytes:
    """A model of one resize; `out_shape` and `size` override what follows from `target`."""
    b = ModelBuilder()
    scale = None if dtype == np.float32 else 0.05
    x = b.input((1, *source, channels), dtype, scale)
    size = target if size is None else size
    s = b.constant(size, size_type) if constant else b.input(np.shape(size), size_type, None)
    y = b.tensor((1, *target, channels) if out_shape is None else out_shape, out_type or dtype, scale)
    b.operator(kind, [x, s], [y], OPTIONS[kind], alignCorners=align_corners, halfPixelCenters=half_pixel_centers)
    return b.build([y])


def conventions(kind: str) -> list[dict[str, bool]]:
    both = [{"align_corners": a, "half_pixel_centers": h} for a, h in itertools.product((False, True), repeat=2)]
    return both if kind == "RESIZE_NEAREST_NEIGHBOR" else both[:3]


@pytest.mark.parametrize("kind", KINDS)
def test_sizes(kind: str) -> None:
    """Whole and broken factors, up and down, other along height than along width."""
    sides = [1, 2, 3, 5, 8, 13]
    pairs = list(itertools.product(sides, repeat=2))
    other = np.random.default_rng(4).permutation(len(pairs))
    models = [
        resize(kind, (h, pairs[o][0]), (height, pairs[o][1]), channels=1 + o % 3, **convention)
        for convention in conventions(kind)
        for (h, height), o in zip(pairs, other, strict=True)
    ]
    assert_bit_exact(models, samples=2)


@pytest.mark.parametrize("kind", KINDS)
def test_long_sides(kind: str) -> None:
    """Sides at which single precision and 10-bit fixed point round."""
    cases = [((3, 1000), (1, 999)), ((999, 2), (1000, 3)), ((1, 333), (2, 1000)), ((2000, 1), (77, 1)), ((100, 150), (151, 99))]
    models = [resize(kind, *case, channels=1, **convention) for convention in conventions(kind) for case in cases]
    assert_bit_exact(models, samples=1)


def test_nearest_copies_other_types() -> None:
    models = [resize("RESIZE_NEAREST_NEIGHBOR", (3, 4), (5, 7), dtype=dtype, channels=3) for dtype in (np.int16, np.float32)]
    assert_bit_exact(models)


def test_nearest_of_constant_is_folded() -> None:
    b = ModelBuilder()
    rng = np.random.default_rng(5)
    image = b.constant(rng.integers(-128, 128, (1, 2, 3, 2)), np.int8, 0.05)
    large = b.tensor((1, 5, 4, 2), np.int8, 0.05)
    b.operator("RESIZE_NEAREST_NEIGHBOR", [image, b.constant((5, 4), np.int32)], [large], OPTIONS["RESIZE_NEAREST_NEIGHBOR"])
    x = b.input((1, 9, 9, 2))
    y = b.tensor((1, 5, 4, 2), np.int8, 0.05)
    b.operator("RESIZE_NEAREST_NEIGHBOR", [x, b.constant((5, 4), np.int32)], [y], OPTIONS["RESIZE_NEAREST_NEIGHBOR"])
    model = b.build([y, large])
    assert len(build(model, "folded").graph.operators) == 1
    assert_bit_exact([model])


@pytest.mark.parametrize("kind", KINDS)
def test_reads_few_rows(kind: str) -> None:
    (read,) = build(resize(kind, (8, 8), (16, 16), half_pixel_centers=True), "rows").lowered.network.operators[0].reads
    assert (read.ranges.high - read.ranges.low).max() == (1 if kind == "RESIZE_NEAREST_NEIGHBOR" else 2)


@pytest.mark.parametrize(
    ("kind", "case", "reason", "tflm"),
    [
        ("RESIZE_BILINEAR", {"align_corners": True, "half_pixel_centers": True}, "Not both", True),
        ("RESIZE_BILINEAR", {"dtype": np.int16}, "int8", True),
        ("RESIZE_BILINEAR", {"source": (4, 1), "target": (6, 682)}, "leave the image", False),
        ("RESIZE_NEAREST_NEIGHBOR", {"dtype": np.uint8}, "int8, int16 or float32", True),
        *((kind, {"constant": False}, "constant", True) for kind in KINDS),
        *((kind, {"size_type": np.int64}, "constant int32", True) for kind in KINDS),
        *((kind, {"size": (6, 4)}, "height and width", False) for kind in KINDS),
        *((kind, {"size": ((6, 5),)}, "constant int32 vector", True) for kind in KINDS),
        *((kind, {"size": (6, 5, 2)}, "constant int32 vector", False) for kind in KINDS),
        *((kind, {"out_shape": (1, 6, 5, 3)}, "same type and channels", False) for kind in KINDS),
        *((kind, {"out_shape": (6, 5, 2)}, "one NHWC", False) for kind in KINDS),
        *((kind, {"out_type": np.int16}, "same type", False) for kind in KINDS),
    ],
)
def test_rejected(kind: str, case: dict[str, Any], reason: str, tflm: bool) -> None:
    model = resize(kind, **({"source": (4, 4), "target": (6, 5)} | case))
    with pytest.raises(Unsupported, match=reason):
        build(model, "rejected")
    if tflm:
        with Tflm() as oracle, pytest.raises(TflmError):
            oracle.run(model, [[np.zeros((1, 4, 4, 2), case.get("dtype", np.int8))]])
