"""Estimates what an operator takes from its geometry: a linear model, fitted to profiles of emulated cores.

    model = load(options.board)            # cortex-m3.json, cortex-m4.json, cortex-m7.json or cortex-m55.json
    model.estimate(operator, block=4)      # Estimate(instructions, cycles); cycles are modelled, on the Cortex-M4 alone
    scheduler_cost(operators, board)       # what patch_scheduler asks for

The files are written by benchmarks/cost/fit.py, and say how far the model is off for networks that it has not seen.
"""

from tflm_mcunet.cost.features import Features, features
from tflm_mcunet.cost.model import CostModel, Estimate, load, scheduler_cost

__all__ = ["CostModel", "Estimate", "Features", "features", "load", "scheduler_cost"]
