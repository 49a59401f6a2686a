"""The ordered list of rewrites, each a pure function Graph -> Graph that changes no output byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tflm_mcunet.graph import Graph

Pass = Callable[[Graph], Graph]


def rewrite(graph: Graph, passes: Sequence[Pass], trace: Callable[[str], None] | None = None) -> Graph:
    """Applies the passes in order, again and again until none changes anything; `trace` gets the graph after each change."""
    while True:
        before = graph
        for function in passes:
            changed = function(graph)
            if trace is not None and changed is not graph:
                trace(f"after {function.__name__}: {changed}")
            graph = changed
        if graph is before:
            return graph
