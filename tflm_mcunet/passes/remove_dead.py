"""Drops what no output depends on."""

from __future__ import annotations

from dataclasses import replace

from tflm_mcunet.graph import Graph


def remove_dead(graph: Graph) -> Graph:
    """Operators none of whose outputs is needed go."""
    needed = set(graph.outputs)
    kept = []
    for op in reversed(graph.operators):
        if needed.intersection(op.outputs):
            kept.append(op)
            needed.update(op.present_inputs)
    if len(kept) == len(graph.operators):
        return graph
    return replace(graph, operators=tuple(reversed(kept)))
