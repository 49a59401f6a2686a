"""A folder of generated C as its runners see it: where it lies, its prefix, and the types at its edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tflm_mcunet.errors import Error


class RunError(Error):
    """A compiled model was given inputs that do not fit, or misbehaved when it ran."""


class TensorType(NamedTuple):
    """Element type and shape of a dense tensor at a model's edge."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def rows(self) -> int:
        """Height of a rank-4 NHWC tensor, otherwise 1."""
        return self.shape[1] if len(self.shape) == 4 else 1

    def to_bytes(self, value: np.ndarray, name: str) -> bytes:
        """The bytes of `value` in C order; raises RunError, calling it `name`, where type or element count differ."""
        value = np.asarray(value)
        if value.dtype != self.dtype or value.nbytes != self.nbytes:
            given = f"{value.dtype}{list(value.shape)}"
            raise RunError(f"{name} is {self.dtype}{list(self.shape)}, given was {given}")
        return value.tobytes()

    def from_bytes(self, data: bytes) -> np.ndarray:
        """The array whose bytes are `data`, which must be `nbytes` long."""
        return np.frombuffer(data, self.dtype).reshape(self.shape).copy()


def tensor_type(dtype: object, shape: Sequence[int]) -> TensorType:
    """TensorType from anything that NumPy accepts as a type, and any sequence of lengths."""
    return TensorType(np.dtype(dtype), tuple(int(length) for length in shape))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Generated:
    """Generated C in `folder`: PREFIX.h, PREFIX.c and what they include; all .c files there belong to the model."""

    folder: Path
    prefix: str
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    pull: bool = False

    @property
    def sources(self) -> list[Path]:
        """The .c files, by name; raises RunError where there is none."""
        found = sorted(Path(self.folder).resolve().glob("*.c"))
        if not found:
            raise RunError(f"{self.folder} has no .c files")
        return found

    def pack(self, sample: Sequence[np.ndarray]) -> bytes:
        """All inputs of one sample, one after the other; raises RunError where they do not fit."""
        if len(sample) != len(self.inputs):
            raise RunError(f"the model has {len(self.inputs)} inputs, the sample has {len(sample)}")
        pairs = zip(self.inputs, sample, strict=True)
        return b"".join(kind.to_bytes(value, f"input {index}") for index, (kind, value) in enumerate(pairs))

    def unpack(self, data: bytes) -> list[list[np.ndarray]]:
        """Per sample its outputs, from the bytes that the harness wrote; raises RunError for a cut file."""
        step = sum(kind.nbytes for kind in self.outputs)
        if not step or len(data) % step:
            raise RunError(f"the model wrote {len(data)} bytes, which is no multiple of the {step} bytes of its outputs")
        return [self._outputs(data[start : start + step]) for start in range(0, len(data), step)]

    def _outputs(self, data: bytes) -> list[np.ndarray]:
        values, start = [], 0
        for kind in self.outputs:
            values.append(kind.from_bytes(data[start : start + kind.nbytes]))
            start += kind.nbytes
        return values
