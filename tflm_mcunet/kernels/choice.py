"""Fast kernels need scratch memory: chooses, per operator, between the fastest kernel and the one that needs least."""

from __future__ import annotations

from dataclasses import replace

from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels import select_kernels
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.options import Options
from tflm_mcunet.planning import Planned, is_enough, plan_graph

UNLIMITED = 1 << 40
"""Where nothing limits the arena, blocks may be whole maps: fast kernels prepare weights once per block."""

ROUNDS = 3
STEP = 0.96
"""Each round lets fast kernels have less memory: their scratch has one address during all of their events."""


def plan_with_kernels(graph: Graph, options: Options) -> Planned:
    """The fastest kernels where they fit the limit; for the least SRAM, fast ones wherever they do not enlarge the arena."""
    fast = select_kernels(graph, options.board.features)
    if fast is not graph and options.minimize == "latency" and options.sram_limit is None:
        options = replace(options, sram=UNLIMITED)
    planned = plan_graph(fast, options)
    if fast is graph or is_enough(planned, options):
        return planned
    least = plan_graph(graph, replace(options, minimize="sram"))
    if least.plan.arena >= planned.plan.arena:
        return planned
    goal = _goal(least, options)
    allowance = float(goal)
    for _ in range(ROUNDS):
        mixed = plan_graph(_mixed(graph, fast, least, int(allowance)), options)
        if mixed.plan.arena <= goal:
            return mixed
        allowance *= STEP
    return least


def _goal(least: Planned, options: Options) -> int:
    limit = options.sram_limit
    return least.plan.arena if options.minimize == "sram" or limit is None else max(limit, least.plan.arena)


def _mixed(graph: Graph, fast: Graph, least: Planned, allowance: int) -> Graph:
    """Fast kernels for the operators that stay within the allowance with them. Patches of an operator share its index."""
    live: dict[int, int] = {}
    for op, peak in zip(least.lowered.operators, least.live_bytes, strict=True):
        live[op.index] = max(live.get(op.index, 0), peak)
    pairs = zip(graph.operators, fast.operators, strict=True)
    return graph.exchange(
        {slow: quick for slow, quick in pairs if live.get(slow.index, 0) + _extra_scratch(slow, quick) <= allowance}
    )


def _extra_scratch(slow: Operator, quick: Operator) -> int:
    """Bytes that the fast kernel needs beyond the other, in events of one step."""
    return quick.scratch + quick.scratch_per_step - slow.scratch - slow.scratch_per_step
