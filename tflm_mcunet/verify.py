"""Compares the generated C with TFLM byte for byte, on this machine or on an emulated core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tflm_mcunet.compiler import Program
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled

Sample = Sequence[Array]


@dataclass(frozen=True)
class Verification:
    """How a comparison ended; `first` describes the first differing value, empty where there is none."""

    on: str
    samples: int
    bytes: int
    differing: int
    first: str

    @property
    def passed(self) -> bool:
        return self.differing == 0

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "passed": self.passed}


def verify(compiled: Compiled, *, on: str, samples: int, inputs: Sequence[Sample] | None) -> Verification:
    """Runs both on the same inputs; see Compiled.verify."""
    from tflm_mcunet.execute.tflm import Tflm

    program = compiled.program
    batch = list(inputs) if inputs is not None else random_samples(program, samples)
    if not batch:
        raise Error("nothing to verify: at least one sample is needed")
    with Tflm() as oracle:
        expected = [result.outputs for result in oracle.run(compiled.model, [source_sample(program, s) for s in batch])]
    computed = [source_outputs(program, outputs) for outputs in _run(compiled, on, batch)]
    return _compare(program, on, computed, expected)


def _run(compiled: Compiled, on: str, batch: Sequence[Sample]) -> list[list[Array]]:
    from tflm_mcunet.execute.host import HostModel
    from tflm_mcunet.execute.qemu import run_on

    with compiled.generated() as folder:
        if on != "host":
            return run_on(on, folder, batch, measure=False).outputs
        with HostModel.compile(folder) as model:
            return [model.run_rows(sample) if folder.pull else model.run(sample) for sample in batch]


def _compare(program: Program, on: str, computed: list[list[Array]], expected: list[list[Array]]) -> Verification:
    total = differing = 0
    first = ""
    for number, (ours, theirs) in enumerate(zip(computed, expected, strict=True)):
        for tensor, mine, reference in zip(program.source.outputs, ours, theirs, strict=True):
            a, b = (np.ascontiguousarray(value).reshape(-1) for value in (mine, reference))
            unequal = a.view(np.uint8) != b.view(np.uint8)
            total += unequal.size
            differing += int(unequal.sum())
            if not first and unequal.any():
                place = int(np.flatnonzero(unequal)[0]) // a.dtype.itemsize
                first = f"sample {number}, output '{tensor.name}', element {place}: {a[place]} where TFLM has {b[place]}"
    return Verification(on, len(computed), total, differing, first)


def random_samples(program: Program, count: int, seed: int = 0) -> list[list[Array]]:
    """Inputs over the whole range of each edge; float ones over what their QUANTIZE can represent."""
    rng = np.random.default_rng(seed)
    return [[_random(program, tensor, rng) for tensor in program.graph.inputs] for _ in range(count)]


def _random(program: Program, tensor: Tensor, rng: np.random.Generator) -> Array:
    if tensor.dtype == np.float32:
        readers = [op for op in program.graph.consumers().get(tensor, []) if op.kind == "QUANTIZE"]
        target = readers[0].output if readers else None
        if target is None or target.quantization is None:
            return rng.standard_normal(tensor.shape).astype(np.float32)
        low, high = np.iinfo(target.dtype).min - 2, np.iinfo(target.dtype).max + 2
        return ((rng.uniform(low, high, tensor.shape) - target.zero_point) * target.scale).astype(np.float32)
    if tensor.dtype == np.bool_:
        return rng.integers(0, 2, tensor.shape).astype(np.bool_)
    limits = np.iinfo(tensor.dtype)
    return rng.integers(limits.min, limits.max, tensor.shape, dtype=tensor.dtype, endpoint=True)


def source_sample(program: Program, sample: Sample) -> list[Array]:
    """A sample for the compiled edges as the model's own input types: `--io int8` is undone."""
    pairs = zip(program.graph.inputs, program.source.inputs, sample, strict=True)
    return [_to_source(np.asarray(value), tensor, original) for tensor, original, value in pairs]


def source_outputs(program: Program, outputs: Sequence[Array]) -> list[Array]:
    """Outputs of the compiled edges as the model's own output types."""
    pairs = zip(program.graph.outputs, program.source.outputs, outputs, strict=True)
    return [_to_source(value, tensor, original) for tensor, original, value in pairs]


def _to_source(value: Array, tensor: Tensor, original: Tensor) -> Array:
    """What TFLM's DEQUANTIZE, or QUANTIZE from int8 to uint8 of the same scale, makes of an int8 edge."""
    if tensor.dtype == original.dtype:
        return value
    if original.dtype == np.float32:
        return (tensor.scale * (value.astype(np.int32) - tensor.zero_point)).astype(np.float32)
    if original.dtype == np.uint8 and original.scale == tensor.scale:
        return (value.astype(np.int32) - tensor.zero_point + original.zero_point).clip(0, 255).astype(np.uint8)
    raise Error(f"tensor {original}: cannot compare with its int8 edge; verify with --io model")


def load_samples(path: str, program: Program) -> list[list[Array]]:
    """Samples from an .npz: per input an array [n, ...], called `input_<index>`, after the tensor, or in the file's order.

    Raises Error where arrays are missing or do not fit the inputs.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        raise Error(f"cannot read {path}: {error}") from error
    columns = []
    for index, tensor in enumerate(program.graph.inputs):
        named = [name for name in (f"input_{index}", tensor.name) if name in arrays]
        if not named and len(arrays) != len(program.graph.inputs):
            raise Error(f"{path}: no array 'input_{index}' for input {tensor}; it holds {', '.join(arrays) or 'nothing'}")
        columns.append(_samples_of(arrays[named[0]] if named else list(arrays.values())[index], tensor, path))
    if len({len(column) for column in columns}) != 1:
        raise Error(f"{path}: the inputs have different numbers of samples")
    return [list(sample) for sample in zip(*columns, strict=True)]


def _samples_of(array: Array, tensor: Tensor, path: str) -> Array:
    if array.dtype != tensor.dtype:
        raise Error(f"{path}: input {tensor} is {tensor.dtype}, the array is {array.dtype}")
    if tensor.elements == 0 or array.size % tensor.elements or array.ndim == 0:
        raise Error(f"{path}: an array of shape {array.shape} does not divide into inputs {tensor}")
    return array.reshape(-1, *tensor.shape)
