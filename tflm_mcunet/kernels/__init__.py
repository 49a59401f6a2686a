"""Kernel variants: which operator is computed by which kernel on a target with given features."""

from __future__ import annotations

from collections.abc import Callable, Set

from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator

Variant = Callable[[Operator], Operator | None]
"""Gives the operator as computed by a faster kernel, or None where that kernel is not proven applicable."""


def variants(features: Set[str]) -> tuple[Variant, ...]:
    """The variants that a target with these features can run, the fastest first."""
    from tflm_mcunet.kernels import portable

    found: list[Variant] = []
    if "mve" in features:
        from tflm_mcunet.kernels import mve

        found += mve.VARIANTS
    if "dsp" in features:
        from tflm_mcunet.kernels import dsp

        found += dsp.VARIANTS
    return (*found, *portable.VARIANTS)


def select_kernels(graph: Graph, features: Set[str]) -> Graph:
    """Every operator in the first variant that applies, or as it is: the portable kernel."""
    offered = variants(features)
    chosen = {op: new for op in graph.operators if (new := _first(offered, op)) is not None}
    return graph.exchange(chosen) if chosen else graph


def _first(offered: tuple[Variant, ...], op: Operator) -> Operator | None:
    return next((new for variant in offered if (new := variant(op)) is not None), None)
