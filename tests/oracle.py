"""Compares compiled models with TFLM byte by byte, many models in one C compilation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tflm_mcunet.compiler import Program, build
from tflm_mcunet.execute.generated import tensor_type
from tflm_mcunet.execute.host import HostModel, build_library, close_library
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.graph import Tensor

Sample = list[np.ndarray]


def random_array(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Values over the whole range of an integer tensor; reals around zero, some of them far out, for a float one."""
    if tensor.dtype == np.float32:
        return (rng.standard_normal(tensor.shape) * rng.choice([0.1, 1, 10, 100])).astype(np.float32)
    if tensor.dtype == np.bool_:
        return rng.integers(0, 2, tensor.shape).astype(np.bool_)
    limits = np.iinfo(tensor.dtype)
    return rng.integers(limits.min, int(limits.max) + 1, tensor.shape).astype(tensor.dtype)


def random_samples(tensors: Sequence[Tensor], count: int, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [[random_array(t, rng) for t in tensors] for _ in range(count)]


@contextmanager
def on_host(programs: Sequence[Program]) -> Iterator[list[HostModel]]:
    """All programs in one shared library; each must have a prefix of its own."""
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as name:
        folder = Path(name)
        unit = []
        for program in programs:
            for file, text in program.emission.files.items():
                (folder / file).write_text(text)
            unit.append(f'#include "{program.prefix}.c"\n')
        (folder / "all_models.c").write_text("".join(unit))
        library = build_library([folder / "all_models.c"], [folder])
        try:
            yield [HostModel(library, p.prefix, types(p.graph.inputs), types(p.graph.outputs)) for p in programs]
        finally:
            close_library(library)


def types(tensors: Sequence[Tensor]) -> tuple:
    return tuple(tensor_type(t.dtype, t.shape) for t in tensors)


def differing_bytes(
    models: Sequence[bytes],
    samples: int = 3,
    seed: int = 0,
    oracle: Tflm | None = None,
    inputs: Sequence[Sequence[Sample]] | None = None,
) -> list[int]:
    """Per model the number of output bytes, over random samples or over `inputs`, in which our C and TFLM differ."""
    programs = [build(model, f"m{i}") for i, model in enumerate(models)]
    if inputs is None:
        inputs = [random_samples(p.graph.inputs, samples, seed + i) for i, p in enumerate(programs)]
    if oracle is None:
        with Tflm() as fresh:
            expected = [fresh.run(model, batch) for model, batch in zip(models, inputs, strict=True)]
    else:
        expected = [oracle.run(model, batch) for model, batch in zip(models, inputs, strict=True)]
    differences = []
    with on_host(programs) as compiled:
        for model, batch, reference in zip(compiled, inputs, expected, strict=True):
            count = 0
            for sample, result in zip(batch, reference, strict=True):
                for ours, theirs in zip(model.run(sample), result.outputs, strict=True):
                    assert ours.dtype == theirs.dtype
                    count += int(np.count_nonzero(ours.reshape(-1).view(np.uint8) != theirs.reshape(-1).view(np.uint8)))
            differences.append(count)
    return differences


def assert_bit_exact(
    models: Sequence[bytes], samples: int = 3, seed: int = 0, inputs: Sequence[Sequence[Sample]] | None = None
) -> None:
    """Fails where any output byte of any model differs from TFLM's, over random samples or over `inputs` (per model a list)."""
    differences = differing_bytes(models, samples, seed, inputs=inputs)
    wrong = {index: count for index, count in enumerate(differences) if count}
    assert not wrong, f"models with differing bytes: {wrong}"
