"""The report of one compilation as plain data; its JSON form is the contract in docs/schemas."""

from __future__ import annotations

import json
import re
from typing import Any

from tflm_mcunet.compiler import Program
from tflm_mcunet.cost import load
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.report.verdict import verdict


def report(program: Program) -> dict[str, Any]:
    """The content of report.json. Sizes are bytes, macs are multiply-accumulates of one inference."""
    operators = program.lowered.operators
    estimates = [_estimate(program, position, op) for position, op in enumerate(operators)]
    return {
        "model": program.source.name,
        "target": program.options.target,
        "macs": program.source.macs,
        "macs_executed": sum(op.macs_executed for op in operators),
        "macs_recomputed": program.planned.macs_recomputed,
        "channels": _channels(program),
        "sram": _sram(program),
        "flash": {
            "weights": program.emission.constant_bytes,
            "code": program.code,
            "weight_bytes_fetched": sum(op.weight_bytes_fetched for op in operators),
        },
        "verdict": verdict(program.options, program.plan.arena, program.emission.constant_bytes, program.code),
        "estimate": _total(program, estimates),
        "stages": _stages(program),
        "operators": [_operator(program, position, op) | estimates[position] for position, op in enumerate(operators)],
        "inputs": [_edge(t) for t in program.graph.inputs],
        "outputs": [_edge(t) for t in program.graph.outputs],
    }


def _channels(program: Program) -> dict[str, int]:
    """Channels of the model's operators with weights, and how many the dead channels' pass removed."""
    left = {op.outputs[0].name: op.outputs[0].shape[-1] for op in program.graph.operators}
    total = {op.outputs[0].name: op.outputs[0].shape[-1] for op in program.source.operators if op.macs}
    removed = sum(count - left.get(name, count) for name, count in total.items())
    return {"total": sum(total.values()), "removed": removed}


SUPPLIER_BYTES = 12
"""`struct mcu_supplier`, who is asked for pulled rows, on a 32-bit core."""


def _sram(program: Program) -> dict[str, Any]:
    plan = program.plan
    bound = {"lower_bound": plan.lower_bound, "gap": plan.gap, "optimal": plan.optimal}
    return {"arena": plan.arena, **bound, "static": _static(program)}


def _static(program: Program) -> int:
    """Bytes of .data and .bss outside the arena."""
    return program.options.beside + (SUPPLIER_BYTES if program.options.input == "pull" else 0)


def _stages(program: Program) -> list[dict[str, Any]]:
    """Operators [first, last) of each stage; those of one operator run layer by layer, others row by row."""
    schedule = program.schedule
    stages = schedule.stages or tuple((index, index + 1) for index in range(len(schedule.block)))
    return [
        {
            "schedule": "layer" if last - first == 1 else "stream",
            "operators": list(range(first, last)),
            "block": list(schedule.block[first:last]),
            "reverse": schedule.reverse[first],
        }
        for first, last in stages
    ]


def _operator(program: Program, position: int, op: Operator) -> dict[str, Any]:
    return {
        "name": op.name,
        "kind": op.kind,
        "index": op.index,
        "inputs": [list(t.shape) for t in op.present_inputs if not t.constant],
        "outputs": [list(t.shape) for t in op.outputs],
        "details": op.describe(),
        "reads_from": _reads_from(program, position),
        "kernel": program.emission.operators[position].kernel,
        "macs": op.macs,
        "macs_executed": op.macs_executed,
        "sram": program.planned.live_bytes[position],
        "scratch": op.scratch + op.scratch_per_step * program.schedule.block[position],
        "weights": sum(t.bytes for t in op.present_inputs if t.constant),
        "weight_bytes_fetched": op.weight_bytes_fetched,
        "flash": program.emission.operators[position].constant_bytes,
    }


def _reads_from(program: Program, position: int) -> list[int]:
    """Operators whose outputs it reads, as positions in the list of operators."""
    operators = program.lowered.network.operators
    read = {access.tensor for access in operators[position].reads}
    return [index for index, op in enumerate(operators[:position]) if read & {access.tensor for access in op.writes}]


def _estimate(program: Program, position: int, op: Operator) -> dict[str, int]:
    """What the cost model expects of one operator."""
    found = load(program.options.board).estimate(op, program.schedule.block[position])
    cycles = {} if found.cycles is None else {"estimated_cycles": round(found.cycles)}
    return {"estimated_instructions": round(found.instructions), **cycles}


def _total(program: Program, estimates: list[dict[str, int]]) -> dict[str, Any]:
    """What the cost model expects of one inference, for which core, and how far it is off for networks that it has not seen."""
    model = load(program.options.board)
    names = {"estimated_instructions": "instructions"}
    if model.cycles is not None:
        names["estimated_cycles"] = "modelled_cycles"
    totals = {name: sum(own[key] for own in estimates) for key, name in names.items()}
    return {"core": model.core, **totals, "error": model.error, "worst_error": model.worst}


def _edge(tensor: Any) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype),
        "scale": tensor.scale if quantization else None,
        "zero_point": tensor.zero_point if quantization else None,
    }


def to_json(data: dict[str, Any]) -> str:
    """Readable JSON, short lists on one line."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    return re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n"
