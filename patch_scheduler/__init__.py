"""Geometry in, schedule and memory plan out: knows rows and bytes, imports numpy, and nothing of TFLite.

    network = Network(tensors, operators, inputs, outputs)   # rows of bytes, and the rows that every step touches
    schedule, found = schedule_layers(network)               # events, and offsets in the smallest arena
    validate(network, schedule, found)                       # raises InvalidPlan, shares no code with the planner

`plan` places the buffers of any event list, `live_bytes` and `lower_bound` say what it cannot go below.
"""

from patch_scheduler.geometry import Access, Network, Operator, Ranges, Tensor, each, last, whole, window
from patch_scheduler.lives import live_bytes, lower_bound
from patch_scheduler.optimize import schedule_layers
from patch_scheduler.plan import Plan, plan
from patch_scheduler.schedule import Event, Schedule, layer_by_layer
from patch_scheduler.validate import InvalidPlan, validate

__all__ = [
    "Access",
    "Event",
    "InvalidPlan",
    "Network",
    "Operator",
    "Plan",
    "Ranges",
    "Schedule",
    "Tensor",
    "each",
    "last",
    "layer_by_layer",
    "live_bytes",
    "lower_bound",
    "plan",
    "schedule_layers",
    "validate",
    "whole",
    "window",
]
