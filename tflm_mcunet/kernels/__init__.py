"""Kernel variants: which operator is computed by which kernel on a target with given features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator

Variant = Callable[[Operator], Operator | None]
"""Gives the operator as computed by a faster kernel, or None where that kernel is not proven applicable."""


def variants(features: Set[str]) -> tuple[Variant, ...]:
    """The variants that a target with these features can run, as a rule the fastest first."""
    from tflm_mcunet.kernels import portable

    found: list[Variant] = []
    if "mve" in features:
        from tflm_mcunet.kernels import mve

        found += mve.VARIANTS
    if "dsp" in features:
        from tflm_mcunet.kernels import dsp

        found += dsp.VARIANTS
    return (*found, *portable.VARIANTS)


def alternatives(op: Operator, features: Set[str]) -> Iterator[Operator]:
    """The operator in every variant that applies, and at last as it is: the plain portable kernel."""
    for variant in variants(features):
        new = variant(op)
        if new is not None:
            yield new
    yield op


def select_kernels(graph: Graph, features: Set[str]) -> Graph:
    """Every operator in the first variant that applies, or as it is."""
    first = {op: next(alternatives(op, features)) for op in graph.operators}
    chosen = {op: new for op, new in first.items() if new is not op}
    return graph.exchange(chosen) if chosen else graph
