"""SPLIT_V: a tensor cut into parts of any size along an axis (kernels/split_v.cc)."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_mcunet.operators.movement import moves_types
from tflm_mcunet.operators.split import Split, axis_exists, outputs_add_up


@dataclass(frozen=True, eq=False)
class SplitV(Split):
    """A SPLIT whose operands come in another order. The sizes operand is not read, as in TFLM: the outputs have their shapes."""

    kind = "SPLIT_V"
    constraints = (moves_types("int8", "int16", "int32", "float32"), axis_exists, outputs_add_up)

    axis_position = 2

    @property
    def data(self) -> tuple[int, ...]:
        return (0,)
