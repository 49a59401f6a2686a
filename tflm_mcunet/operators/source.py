"""SOURCE: rows of an input that the application supplies one by one (`--input pull`), so that it need never be whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tflm_mcunet.operators.base import Operator, Record


@dataclass(frozen=True, eq=False)
class Source(Operator):
    """Asks the application for one row per step, in order. A pass puts it where the model's input was."""

    kind = "SOURCE"
    internal: ClassVar[bool] = True

    @property
    def row_pointers(self) -> bool:
        return True

    @property
    def reversible(self) -> bool:
        return False

    def record(self) -> Record:
        return Record("source", {"output": self.output})
