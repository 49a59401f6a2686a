"""The one intermediate representation: an immutable graph of operators over tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tflm_mcunet.operators.base import Operator

Array = NDArray[Any]


def shortened(name: str, limit: int = 80) -> str:
    """A name for a message: converters join the names of all that they fuse, so that the middle of long ones is left out."""
    return name if len(name) <= limit else f"{name[: limit // 2]}...{name[3 - limit // 2 :]}"


@dataclass(frozen=True)
class Quantization:
    """real = scale * (q - zero_point); one scale per tensor, or one per slice along `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_tensor(self) -> bool:
        return len(self.scale) == 1


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph; `data` is set for constants. Tensors are compared by identity.

    `shape` and `dtype` are those of the .tflite; `index` is the tensor's number there (None for tensors made by passes).
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None = None
    data: Array | None = field(default=None, repr=False)
    index: int | None = None

    @property
    def constant(self) -> bool:
        return self.data is not None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * self.dtype.itemsize

    @property
    def nhwc(self) -> tuple[int, int, int, int]:
        """The shape with leading ones up to rank 4, as TFLM's RuntimeShape::ExtendedShape; N and what precedes it merge."""
        shape = (1,) * (4 - len(self.shape)) + self.shape
        return (math.prod(shape[:-3]), *shape[-3:])  # type: ignore[return-value]

    @property
    def rows(self) -> int:
        """Rows in memory: N * H of the NHWC shape."""
        return self.nhwc[0] * self.nhwc[1]

    @property
    def row_bytes(self) -> int:
        return self.bytes // self.rows if self.rows else 0

    @property
    def scale(self) -> float:
        """The per-tensor scale (the first one where there are several)."""
        assert self.quantization is not None
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point (the first one where there are several)."""
        assert self.quantization is not None
        return self.quantization.zero_point[0]

    def __str__(self) -> str:
        shape = "x".join(map(str, self.shape)) or "scalar"
        return f"'{shortened(self.name)}' {self.dtype}[{shape}]"


@dataclass(frozen=True)
class Graph:
    """Operators in execution order; every tensor is a graph input, a constant or the output of one earlier operator."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.operators)

    @property
    def macs_executed(self) -> int:
        """The multiply-accumulates among them that kernels run."""
        return sum(op.macs_executed for op in self.operators)

    def producers(self) -> dict[Tensor, Operator]:
        return {tensor: op for op in self.operators for tensor in op.outputs}

    def consumers(self) -> dict[Tensor, list[Operator]]:
        readers: dict[Tensor, list[Operator]] = {}
        for op in self.operators:
            for tensor in dict.fromkeys(op.present_inputs):
                readers.setdefault(tensor, []).append(op)
        return readers

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in order of first appearance: inputs, then per operator its inputs and outputs."""
        seen = dict.fromkeys(self.inputs)
        for op in self.operators:
            seen.update(dict.fromkeys((*op.present_inputs, *op.outputs)))
        seen.update(dict.fromkeys(self.outputs))
        return tuple(seen)

    def substitute(self, mapping: Mapping[Tensor, Tensor]) -> Graph:
        """The graph with tensors exchanged wherever they are used or produced; chains of replacements are followed."""

        def final(tensor: Tensor | None) -> Tensor | None:
            while tensor in mapping:
                tensor = mapping[tensor]  # type: ignore[index]
            return tensor

        def swap(tensors: Iterable[Any]) -> tuple[Any, ...]:
            return tuple(final(t) for t in tensors)

        operators = tuple(
            op
            if not any(t in mapping for t in (*op.inputs, *op.outputs))
            else replace(op, inputs=swap(op.inputs), outputs=swap(op.outputs))
            for op in self.operators
        )
        return replace(self, inputs=swap(self.inputs), outputs=swap(self.outputs), operators=operators)

    def exchange(self, replacements: Mapping[Operator, Operator | None]) -> Graph:
        """The graph with some operators replaced, or dropped where the replacement is None."""
        operators = (replacements.get(op, op) for op in self.operators)
        return replace(self, operators=tuple(op for op in operators if op is not None))

    def __str__(self) -> str:
        lines = [f"graph {self.name}: {', '.join(map(str, self.inputs))} -> {', '.join(map(str, self.outputs))}"]
        lines += [f"  {op}" for op in self.operators]
        return "\n".join(lines)
