"""The pipeline: read, rewrite, schedule, plan, emit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from patch_scheduler import Plan, Schedule, validate
from tflm_mcunet import __version__
from tflm_mcunet.codegen.emit import Emission, emit
from tflm_mcunet.codegen.lower import Lowered
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.options import Options
from tflm_mcunet.passes import int8_edges, pull_input, rewrite
from tflm_mcunet.planning import Planned
from tflm_mcunet.tflite.reader import read


class DoesNotFit(Error):
    """The model needs more memory than there is."""


@dataclass(frozen=True)
class Program:
    """Everything the compiler knows of one compiled model: the graph as read, as rewritten, as scheduled and as C."""

    prefix: str
    options: Options
    source: Graph
    planned: Planned
    emission: Emission

    @property
    def graph(self) -> Graph:
        return self.planned.graph

    @property
    def lowered(self) -> Lowered:
        return self.planned.lowered

    @property
    def schedule(self) -> Schedule:
        return self.planned.schedule

    @property
    def plan(self) -> Plan:
        return self.planned.plan


def build(
    model: bytes, source: str = "model", options: Options | None = None, trace: Callable[[str], None] | None = None
) -> Program:
    """Compiles the bytes of a .tflite.

    Args:
        source: the name of its file, for messages and the C prefix.
        options: how; the defaults of Options where None.
        trace: gets the graph after each pass, the schedule and the plan as text.

    Raises:
        Error: the model is damaged, asks for what is not supported, or does not fit.
    """
    options = options or Options()
    prefix = options.prefix(source)
    original = read(model, source)
    for op in original.operators:
        op.check()
    graph = rewrite(int8_edges(original) if options.io == "int8" else original, trace=trace)
    if options.input == "pull":
        graph = pull_input(graph)
    planned = plan_with_kernels(graph, options)
    schedule, plan = planned.schedule, planned.plan
    validate(planned.lowered.network, schedule, plan)
    if trace is not None:
        trace(f"schedule: {schedule}\nplan: {plan}")
    check_fit(plan, options)
    notes = {"model": source, "target": options.target, "compiler": f"tflm-mcunet {__version__}"}
    emission = emit(planned.graph, planned.lowered, schedule, plan, prefix, notes, options.extras)
    return Program(prefix, options, original, planned, emission)


def check_fit(plan: Plan, options: Options) -> None:
    """Raises DoesNotFit where the arena is larger than the limit."""
    limit = options.sram_limit
    if limit is not None and plan.arena > limit:
        where = f"--sram {limit}" if options.sram is not None else f"{options.target} ({limit} bytes of contiguous SRAM)"
        least = f"the schedule's least possible is {plan.lower_bound}"
        raise DoesNotFit(f"the model needs an arena of {plan.arena} bytes, {plan.arena - limit} more than {where}; {least}")
