"""The ordered list of rewrites, each a pure function Graph -> Graph that changes no output byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tflm_mcunet.graph import Graph
from tflm_mcunet.passes.absorb_transpose import absorb_transpose
from tflm_mcunet.passes.dead_channels import remove_dead_channels
from tflm_mcunet.passes.fold_constants import fold_constants
from tflm_mcunet.passes.fold_pad import fold_pad
from tflm_mcunet.passes.int8_edges import int8_edges
from tflm_mcunet.passes.pull_input import pull_input
from tflm_mcunet.passes.remove_dead import remove_dead
from tflm_mcunet.passes.tables import compose_tables, fold_clamps
from tflm_mcunet.passes.views import find_views, merge_views

Pass = Callable[[Graph], Graph]

PASSES: tuple[Pass, ...] = (
    remove_dead,
    fold_constants,
    find_views,
    absorb_transpose,
    merge_views,
    fold_pad,
    compose_tables,
    fold_clamps,
    remove_dead_channels,
)


def rewrite(graph: Graph, passes: Sequence[Pass] = PASSES, trace: Callable[[str], None] | None = None) -> Graph:
    """Applies the passes in order, again and again until none changes anything; `trace` gets the graph after each change."""
    before = None
    while graph is not before:
        before = graph
        for function in passes:
            changed = function(graph)
            if trace is not None and changed is not graph:
                trace(f"after {function.__name__}: {changed}")
            graph = changed
    return graph


__all__ = ["PASSES", "Pass", "int8_edges", "pull_input", "remove_dead_channels", "rewrite"]
