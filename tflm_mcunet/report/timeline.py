"""SRAM over time: every buffer of a plan as rectangles of moments and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from patch_scheduler.conflicts import Buffer, buffers
from tflm_mcunet.cost import load
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.conv_2d import Conv2D
from tflm_mcunet.options import Options
from tflm_mcunet.planning import Planned

Rectangle = tuple[int, int, int, int]
"""First moment, first address, moments, bytes."""

ELEMENTWISE = frozenset({"ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"})


def timeline(planned: Planned, options: Options, schedule: str) -> dict[str, Any]:
    """One way to run a model, under the name `schedule`: its figures, and what lies where in the arena and when.

    Moment 0 is the one before the first event of the schedule, in which the inputs are there; the last one comes after all
    events, when the outputs are read. Sizes and addresses are bytes.
    """
    operators = planned.lowered.operators
    model = load(options.board)
    pairs = zip(operators, planned.schedule.block, strict=True)
    return {
        "schedule": schedule,
        "arena": planned.plan.arena,
        "lower_bound": planned.plan.lower_bound,
        "macs_executed": sum(op.macs_executed for op in operators),
        "macs_recomputed": planned.macs_recomputed,
        "estimated_instructions": sum(round(model.estimate(op, block).instructions) for op, block in pairs),
        "moments": len(planned.schedule.events) + 2,
        "buffers": list(_buffers(planned)),
    }


def _buffers(planned: Planned) -> Iterator[dict[str, Any]]:
    network, operators = planned.lowered.network, planned.lowered.operators
    producer = {write.tensor: index for index, op in enumerate(network.operators) for write in op.writes}
    shapes = {index: list(tensor.shape) for tensor, index in reversed(planned.lowered.buffer.items())}
    for buffer in buffers(network, planned.schedule):
        own = buffer.kind == "tensor"
        maker = producer.get(buffer.index) if own else buffer.index
        rectangles = list(_rectangles(planned, buffer))
        if not rectangles or not buffer.size:
            continue
        yield {
            "name": network.tensors[buffer.index].name if own else operators[buffer.index].name,
            "kind": buffer.kind if not own else "input" if maker is None else kind(operators[maker]),
            "operator": maker,
            "by": None if maker is None else operators[maker].kind,
            "shape": shapes[buffer.index] if own else None,
            "bytes": buffer.size,
            "first": min(r[0] for r in rectangles),
            "last": max(r[0] + r[2] for r in rectangles) - 1,
            "rectangles": rectangles,
        }


def kind(op: Operator) -> str:
    """The colour of what an operator makes."""
    if isinstance(op, Conv2D):
        return "pointwise" if op.pointwise else "convolution"
    if op.kind == "DEPTHWISE_CONV_2D":
        return "depthwise"
    return "elementwise" if op.kind in ELEMENTWISE else "input" if op.kind == "SOURCE" else "other"


def _rectangles(planned: Planned, buffer: Buffer) -> Iterator[Rectangle]:
    """The buffer's pieces where they lie; bytes of one life that follow each other are one rectangle."""
    plan = planned.plan
    if buffer.kind != "tensor":
        offset = (plan.scratch if buffer.kind == "scratch" else plan.state)[buffer.index]
        yield from (_rectangle(buffer, piece, offset, buffer.size) for piece in range(len(buffer.low)))
        return
    tensor = planned.lowered.network.tensors[buffer.index]
    if not tensor.row_bytes:
        return
    if buffer.index in plan.rows:
        places = np.array(plan.rows[buffer.index])
    else:
        places = plan.tensors[buffer.index] + np.arange(tensor.rows) * tensor.row_bytes
    for piece, (low, high) in enumerate(zip(buffer.low // tensor.row_bytes, buffer.high // tensor.row_bytes, strict=True)):
        breaks = np.flatnonzero(np.diff(places[low:high]) != tensor.row_bytes) + low + 1
        for run in np.split(places[low:high], breaks - low):
            yield _rectangle(buffer, piece, int(run[0]), len(run) * tensor.row_bytes)


def _rectangle(buffer: Buffer, piece: int, address: int, size: int) -> Rectangle:
    birth, death = int(buffer.birth[piece]), int(buffer.death[piece])
    return birth + 1, address, death - birth + 1, size
