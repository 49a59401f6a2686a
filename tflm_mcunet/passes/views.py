"""Turns operators that move no data into RESHAPEs, and merges RESHAPEs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.quantize import Quantize
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.transpose import Transpose


def find_views(graph: Graph) -> Graph:
    """A TRANSPOSE that only moves dimensions of size 1, or a QUANTIZE that changes nothing, is a RESHAPE."""
    views = {op: Reshape((op.input(0),), op.outputs, index=op.index) for op in graph.operators if _moves_no_data(op)}
    return graph.exchange(views) if views else graph


def _moves_no_data(op: Operator) -> bool:
    if isinstance(op, Transpose):
        return op.moves_no_data
    if isinstance(op, Quantize):
        source, target = op.input(0), op.output
        return source.dtype == target.dtype == np.int8 and source.quantization == target.quantization
    return False


def merge_views(graph: Graph) -> Graph:
    """A RESHAPE of a RESHAPE reads the first one's input; one that keeps the shape goes."""
    producers = graph.producers()
    for op in graph.operators:
        if isinstance(op, Reshape):
            source, target = op.input(0), op.output
            before = producers.get(source)
            if isinstance(before, Reshape):
                return graph.exchange({op: replace(op, inputs=(before.input(0),))})
            if (source.shape, source.quantization) == (target.shape, target.quantization):
                return graph.exchange({op: None}).substitute({target: source})
    return graph
