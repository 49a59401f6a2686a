"""`--input pull`: the first input is computed, row by row, by the application."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tflm_mcunet.graph import Graph
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.operators.source import Source


def pull_input(graph: Graph) -> Graph:
    """Puts a SOURCE before all operators; raises Unsupported where input 0 is not int8 or leaves the model as an output."""
    tensor = graph.inputs[0]
    if tensor.dtype != np.int8:
        raise Unsupported(f"--input pull: input tensor {tensor} is not int8; use --io int8")
    if tensor in graph.outputs or graph.inputs.count(tensor) > 1:
        raise Unsupported(f"--input pull: input tensor {tensor} is also an output, or an input twice")
    return replace(graph, operators=(Source((), (tensor,)), *graph.operators))
