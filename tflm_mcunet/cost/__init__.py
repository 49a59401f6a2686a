"""Estimates what an operator takes from its geometry: a linear model, fitted to profiles of emulated cores.

    model = load(options.board)            # cortex-m3.json, cortex-m4.json, cortex-m7.json or cortex-m55.json
    model.estimate(operator, block=4)      # Estimate(instructions, cycles); cycles are modelled, on the Cortex-M4 alone
    scheduler_cost(operators, board)       # what patch_scheduler asks for

As `tflm_mcunet.cost(model, target)` the package is also a function of the public interface: that of `tflm_mcunet.keras`.

The files are written by benchmarks/cost/fit.py, and say how far the model is off for networks that it has not seen.
"""

import sys
from types import ModuleType
from typing import Any

from tflm_mcunet.cost.features import Features, features
from tflm_mcunet.cost.model import CostModel, Estimate, load, scheduler_cost

__all__ = ["CostModel", "Estimate", "Features", "features", "load", "scheduler_cost"]


class _Function(ModuleType):
    def __call__(self, model: Any, target: str = "generic", *, sram: int | str | None = None) -> Any:
        """What a Keras model, trained or not, will need on a target: `tflm_mcunet.keras.cost`."""
        from tflm_mcunet.keras import cost

        return cost(model, target, sram=sram)


sys.modules[__name__].__class__ = _Function
