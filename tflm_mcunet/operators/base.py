"""What every operator states about itself: constraints, rows, cost and the C record it is emitted as."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from patch_scheduler.geometry import Ranges, each, whole
from tflm_mcunet.errors import Error
from tflm_mcunet.fixed_point import activation_range
from tflm_mcunet.graph import Array, Tensor, shortened

Options = Mapping[str, Any]
"""The builtin options of an operator: schema field name -> value (ints, floats, bools, strings, tuples)."""

Constraint = Callable[[Any], str | None]
"""A check of one operator: None when it holds, else what was found. Its docstring is the reason users read."""


class Unsupported(Error):
    """The model asks for something the compiler does not do."""


@dataclass(frozen=True)
class Record:
    """One `struct mcu_<kernel>` in C: the header that defines it, its function, and the values of its fields.

    Field values: int or float (literals), Tensor (pointer to its descriptor), tuple of Tensors (array of such pointers),
    tuple of Records (array of such structs), numpy array (a constant array of its own). `scratch` and `state` are added by the
    emitter where the operator asks for them.
    """

    kernel: str
    fields: Mapping[str, Any]
    function: str = ""
    """The C function to call where one header has several; `mcu_<kernel>` by default."""
    header: str = ""
    """The C header of the function where it is not that of the struct, `mcu_<kernel>.h`."""


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator of the graph. Subclasses add their attributes as fields and say how they behave.

    `index` is the operator's number in the .tflite, `name` that of its first output.
    """

    kind: ClassVar[str] = ""
    internal: ClassVar[bool] = False
    """Whether only passes make this operator; no .tflite holds it."""
    constraints: ClassVar[tuple[Constraint, ...]] = ()

    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    index: int = field(default=-1, kw_only=True)

    @classmethod
    def attributes(cls, options: Options) -> dict[str, Any]:
        """The dataclass fields of this operator, from the builtin options of the .tflite."""
        return {}

    @classmethod
    def like(cls, op: Operator, **more: Any) -> Self:
        """Another operator as one of this class: all fields that are not among `more` are that operator's."""
        return cls(**{each.name: getattr(op, each.name) for each in fields(cls) if each.name not in more}, **more)

    # ---- what the graph knows ----

    @property
    def name(self) -> str:
        return self.outputs[0].name

    @property
    def output(self) -> Tensor:
        return self.outputs[0]

    @property
    def present_inputs(self) -> tuple[Tensor, ...]:
        """All inputs that are there (optional ones may be absent), constants included."""
        return tuple(t for t in self.inputs if t is not None)

    def input(self, position: int) -> Tensor:
        """Input `position`; raises Unsupported where the operator lacks it."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise Unsupported(f"{self.label}: input {position} is missing")
        return tensor

    def constant(self, position: int) -> Array:
        """The value of constant input `position`; raises Unsupported where it is not a constant."""
        tensor = self.input(position)
        if tensor.data is None:
            raise Unsupported(f"{self.label}: input {position}, tensor {tensor}, must be a constant")
        return tensor.data

    @property
    def label(self) -> str:
        return f"operator {self.index} ({self.kind} '{shortened(self.name)}')"

    def check(self) -> None:
        """Raises Unsupported with the first constraint that does not hold."""
        for constraint in self.constraints:
            found = constraint(self)
            if found is not None:
                raise Unsupported(f"{self.label}: {_first_line(constraint)}; found {found}")

    # ---- what the scheduler knows ----

    @property
    def steps(self) -> int:
        """Into how many steps the work divides; by default one per output row."""
        return self.output.rows

    def reads(self, position: int) -> Ranges:
        """Rows of input `position` that each step needs; by default all of them."""
        return whole(self.steps, self.input(position).rows)

    def writes(self, position: int) -> Ranges:
        """Rows of output `position` that each step produces; by default one each."""
        return each(self.steps)

    def in_place(self, position: int) -> bool:
        """Whether the kernel reads element i of this input before it writes element i of the output, ascending."""
        return False

    def lag(self, position: int) -> int | None:
        """Output row r may lie exactly over row r - lag of this input: see patch_scheduler.geometry.Access."""
        return None

    @property
    def row_pointers(self) -> bool:
        """Whether the kernel reaches each row by a pointer of its own, so that rows may lie anywhere in the arena."""
        return False

    @property
    def scratch(self) -> int:
        """Bytes of working memory during each event."""
        return 0

    @property
    def scratch_per_step(self) -> int:
        """Further bytes of working memory per step of an event's block."""
        return 0

    @property
    def state(self) -> int:
        """Bytes that must survive from the first event to the last."""
        return 0

    @property
    def reversible(self) -> bool:
        """Whether the steps may run from last to first."""
        return self.state == 0

    # ---- what the emitter and the reports know ----

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the operator as written, padding included."""
        return 0

    @property
    def macs_executed(self) -> int:
        """Multiply-accumulates that the kernel runs."""
        return self.macs

    @property
    def weight_bytes_fetched(self) -> int:
        """Bytes of weights that the kernel reads from flash in one inference."""
        return 0

    def describe(self) -> str:
        """Attributes for comments and tables, such as `3x3 stride 2`."""
        return ""

    def record(self) -> Record:
        """How the operator is written in C."""
        raise Unsupported(f"{self.label}: this operator is only understood where it can be folded away")

    def evaluate(self, constants: tuple[Array | None, ...]) -> tuple[Array, ...] | None:
        """The outputs for constant inputs, where the operator can be folded offline; None where it cannot."""
        return None

    def __str__(self) -> str:
        details = self.describe()
        inputs = ", ".join(map(str, self.present_inputs))
        return f"{self.index}: {self.kind} {details + ' ' if details else ''}({inputs}) -> {', '.join(map(str, self.outputs))}"


@dataclass(frozen=True, eq=False)
class Clamped(Operator):
    """An operator whose kernel ends with a clamp: the fused activation, narrowed by clamps that passes fold in."""

    activation: str = field(default="NONE", kw_only=True)
    clamp: tuple[int, int] = field(default=(-128, 127), kw_only=True)

    @cached_property
    def limits(self) -> tuple[int, int]:
        """(min, max) of the output."""
        low, high = activation_range(self.activation, self.output)
        narrow_low, narrow_high = self.clamp
        return min(max(low, narrow_low), narrow_high), min(max(high, narrow_low), narrow_high)


def activation_is_clamp(op: Clamped) -> str | None:
    """The fused activation is NONE, RELU, RELU6 or RELU_N1_TO_1."""
    return None if op.activation in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1") else op.activation


def rules(cls: type[Operator]) -> list[str]:
    """What must hold for an operator of this class, in words."""
    return [_first_line(constraint) for constraint in cls.constraints]


def _first_line(constraint: Constraint) -> str:
    return (constraint.__doc__ or constraint.__name__).strip().splitlines()[0].rstrip(".")


# ---- constraints that many operators share ----


def has_one_output(op: Operator) -> str | None:
    """There is exactly one output."""
    return None if len(op.outputs) == 1 else f"{len(op.outputs)} outputs"


def activations(op: Operator) -> Iterator[Tensor]:
    """Inputs that are computed at run time, and the outputs."""
    yield from (t for t in op.present_inputs if not t.constant)
    yield from op.outputs


def is_int8(op: Operator) -> str | None:
    """Activations are int8 with one scale and zero point per tensor."""
    return next(filter(None, map(int8_fault, activations(op))), None)


def operands_are_int8(op: Operator) -> str | None:
    """Inputs (constant ones too) and outputs are int8 with one scale and zero point per tensor."""
    return next(filter(None, map(int8_fault, (*op.present_inputs, *op.outputs))), None)


def int8_fault(tensor: Tensor) -> str | None:
    """What keeps a tensor from being int8 with one scale and zero point; None where nothing does."""
    if tensor.dtype != np.int8:
        return f"tensor {tensor}"
    if tensor.quantization is None or not tensor.quantization.per_tensor:
        return f"tensor {tensor} without per-tensor quantisation"
    if tensor.scale <= 0 or not -128 <= tensor.zero_point <= 127:
        return f"tensor {tensor} with scale {tensor.scale}, zero point {tensor.zero_point}"
    return None


def has_batch_one(op: Operator) -> str | None:
    """The batch dimension is 1."""
    for tensor in activations(op):
        if tensor.nhwc[0] != 1:
            return f"tensor {tensor}"
    return None


def same_quantization(op: Operator) -> str | None:
    """Input and output share scale and zero point."""
    first, second = op.input(0), op.output
    if (first.scale, first.zero_point) != (second.scale, second.zero_point):
        return f"{first.scale}, {first.zero_point} and {second.scale}, {second.zero_point}"
    return None
