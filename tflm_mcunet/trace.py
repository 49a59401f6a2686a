"""The schedule and the memory plan as text, for --verbose."""

from __future__ import annotations

from collections.abc import Iterator

from patch_scheduler.schedule import layers
from tflm_mcunet.planning import Planned


def describe(planned: Planned) -> str:
    """Stages with the steps of their operators, then what lies where in the arena, in bytes."""
    return "\n".join((*_schedule(planned), *_plan(planned)))


def _schedule(planned: Planned) -> Iterator[str]:
    schedule, operators = planned.schedule, planned.lowered.operators
    stages = schedule.stages or layers(planned.lowered.network)
    yield f"schedule: {len(stages)} stages, {len(schedule.events)} events"
    for number, (first, last) in enumerate(stages):
        way = "layer" if last == first + 1 else "stream"
        for index in range(first, last):
            op, backwards = operators[index], ", last rows first" * schedule.reverse[index]
            steps = f"{op.steps} steps, {schedule.block[index]} per event{backwards}"
            yield f"  stage {number} ({way}): {op.kind} '{op.name}', {steps}"


def _plan(planned: Planned) -> Iterator[str]:
    network, plan = planned.lowered.network, planned.plan
    yield f"plan: an arena of {plan.arena} bytes, at least {plan.lower_bound}"
    for index, (tensor, offset) in enumerate(zip(network.tensors, plan.tensors, strict=True)):
        scattered = ", rows apart" * (index in plan.rows)
        yield f"  at {offset}: '{tensor.name}', {tensor.rows} rows of {tensor.row_bytes}{scattered}"
    for kind, found in (("scratch", plan.scratch), ("state", plan.state)):
        for index, offset in found.items():
            yield f"  at {offset}: {kind} of '{network.operators[index].name}'"
