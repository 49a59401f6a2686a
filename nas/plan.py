"""The real plan of an architecture without weights: the compiler's schedule and kernels, their arena, flash and time."""

from __future__ import annotations

from dataclasses import dataclass

from nas.limits import Limits
from nas.untrained import untrained
from patch_scheduler.architecture import Architecture
from tflm_mcunet.codegen.emit import emit
from tflm_mcunet.cost import load as load_cost
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.kernels.flash import code_bytes, function_of
from tflm_mcunet.options import Options
from tflm_mcunet.passes import pull_input
from tflm_mcunet.passes.patches import PatchError


@dataclass(frozen=True)
class Planner:
    """How networks are planned: the target and the options of the compiler, and what the result must stay within."""

    target: str
    limits: Limits
    schedule: str = "auto"
    pull: bool = False

    @property
    def options(self) -> Options:
        """Of the compiler: the fastest schedule within the SRAM."""
        return Options(target=self.target, sram=self.limits.sram, schedule=self.schedule, input="pull" if self.pull else "whole")

    def plan(self, architecture: Architecture) -> Plan | None:
        """The network's plan, or None where it cannot run as asked for, or exceeds a limit."""
        graph, options = untrained(architecture), self.options
        try:
            planned = plan_with_kernels(pull_input(graph) if self.pull else graph, options)
        except PatchError:
            return None
        operators, blocks = planned.lowered.operators, planned.schedule.block
        emission = emit(planned.graph, planned.lowered, planned.schedule, planned.plan, "network", {})
        plan = Plan(
            sram=planned.plan.arena,
            flash=emission.constant_bytes + code_bytes(map(function_of, operators), options.board),
            instructions=load_cost(options.board).total(operators, blocks),
            macs=graph.macs,
        )
        return plan if plan.within(self.limits) else None


@dataclass(frozen=True)
class Plan:
    """Bytes of arena, bytes of constants and kernels, estimated instructions, multiply-accumulates as the network is written."""

    sram: int
    flash: int
    instructions: int
    macs: int

    def within(self, limits: Limits) -> bool:
        pairs = ((self.sram, limits.sram), (self.flash, limits.flash), (self.instructions, limits.instructions))
        return all(limit is None or value <= limit for value, limit in pairs)
