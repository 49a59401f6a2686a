"""The pipeline: read, rewrite, schedule, plan, emit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from patch_scheduler import Plan, Schedule, schedule_layers, validate
from tflm_mcunet.codegen.emit import Emission, emit
from tflm_mcunet.codegen.lower import Lowered, lower
from tflm_mcunet.graph import Graph
from tflm_mcunet.passes import rewrite
from tflm_mcunet.tflite.reader import read


@dataclass(frozen=True)
class Program:
    """Everything the compiler knows of one compiled model."""

    prefix: str
    source: Graph
    graph: Graph
    lowered: Lowered
    schedule: Schedule
    plan: Plan
    emission: Emission


def build(model: bytes, prefix: str, trace: Callable[[str], None] | None = None) -> Program:
    source = read(model, prefix)
    for op in source.operators:
        op.check()
    graph = rewrite(source, [], trace)
    lowered = lower(graph)
    schedule, plan = schedule_layers(lowered.network)
    validate(lowered.network, schedule, plan)
    emission = emit(graph, lowered, schedule, plan, prefix, {})
    return Program(prefix, source, graph, lowered, schedule, plan, emission)
