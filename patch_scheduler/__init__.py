"""Geometry in, schedule and memory plan out: knows rows and bytes, imports numpy, and nothing of TFLite.

    network = Network(tensors, operators, inputs, outputs)   # rows of bytes, and the rows that every step touches
    how, where = schedule(network, limit=65536)              # the fastest within 64 KB: events, and offsets in one arena
    how, where = schedule(network, minimize="sram")          # the smallest arena
    validate(network, how, where)                            # raises InvalidPlan, shares no code with the planner

`schedule_layers` stays layer-by-layer. `plan` places the buffers of any event list with every tensor in one piece,
`plan_rows` row by row; `live_bytes` and `lower_bound` say what they cannot go below. `patch_scheduler.architecture`
makes networks of candidate architectures, and `patch_scheduler.batch` estimates thousands of them per second.
"""

from patch_scheduler.choose import pareto, schedule
from patch_scheduler.cost import Cost, default_cost, total_cost
from patch_scheduler.demand import in_order, streamed
from patch_scheduler.geometry import Access, Network, Operator, Ranges, Tensor, each, last, whole, window
from patch_scheduler.lives import live_bytes, lower_bound
from patch_scheduler.optimize import schedule_layers
from patch_scheduler.plan import Plan, plan
from patch_scheduler.rows import plan_rows
from patch_scheduler.schedule import Event, Schedule, Stage, layer_by_layer
from patch_scheduler.validate import InvalidPlan, validate

__all__ = [
    "Access",
    "Cost",
    "Event",
    "InvalidPlan",
    "Network",
    "Operator",
    "Plan",
    "Ranges",
    "Schedule",
    "Stage",
    "Tensor",
    "default_cost",
    "each",
    "in_order",
    "last",
    "layer_by_layer",
    "live_bytes",
    "lower_bound",
    "pareto",
    "plan",
    "plan_rows",
    "schedule",
    "schedule_layers",
    "streamed",
    "total_cost",
    "validate",
    "whole",
    "window",
]
