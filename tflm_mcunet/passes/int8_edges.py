"""`--io int8`: drops the QUANTIZE and DEQUANTIZE between the model's edges and its first and last operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tflm_mcunet.fixed_point import quantize
from tflm_mcunet.graph import Graph, Quantization, Tensor
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.operators.dequantize import Dequantize
from tflm_mcunet.operators.pad import Pad
from tflm_mcunet.operators.quantize import Quantize
from tflm_mcunet.operators.reshape import Reshape
from tflm_mcunet.operators.transpose import Transpose

MOVEMENT = (Reshape, Transpose, Pad)
"""What may stand between an edge and its conversion: operators that know nothing of the values."""

CONVERTED = (np.float32, np.uint8)


def int8_edges(graph: Graph) -> Graph:
    """Float and uint8 inputs and outputs become the int8 tensors they are converted to and from; other edges stay."""
    for tensor in graph.inputs:
        if tensor.dtype in CONVERTED:
            graph = _exchanged(graph, _from_input(graph, tensor))
    for tensor in dict.fromkeys(graph.outputs):
        if tensor.dtype in CONVERTED:
            graph = _exchanged(graph, _from_output(graph, tensor))
    return graph


@dataclass
class _Chain:
    """Tensors that become int8 and the conversions that go; `sound` turns False where something else is in the way."""

    tensors: list[Tensor] = field(default_factory=list)
    movements: list[Operator] = field(default_factory=list)
    conversions: list[Operator] = field(default_factory=list)
    quantization: Quantization | None = None
    sound: bool = True

    def meet(self, conversion: Operator, int8: Tensor) -> None:
        """Notes a conversion; all of a chain must agree on the int8 parameters."""
        if int8.dtype != np.int8 or int8.quantization is None or self.quantization not in (None, int8.quantization):
            self.sound = False
        self.quantization = int8.quantization
        self.conversions.append(conversion)


def _from_input(graph: Graph, tensor: Tensor) -> _Chain:
    consumers, outputs = graph.consumers(), set(graph.outputs)
    chain, pending = _Chain(), [tensor]
    while pending and chain.sound:
        current = pending.pop()
        chain.tensors.append(current)
        chain.sound = current not in outputs
        for op in consumers.get(current, []):
            if isinstance(op, Quantize):
                chain.meet(op, op.output)
            elif isinstance(op, MOVEMENT) and op.present_inputs[0] is current:
                chain.movements.append(op)
                pending.append(op.output)
            else:
                chain.sound = False
    return chain


def _from_output(graph: Graph, tensor: Tensor) -> _Chain:
    producers, consumers = graph.producers(), graph.consumers()
    chain, current = _Chain(), tensor
    while chain.sound:
        chain.tensors.append(current)
        op = producers.get(current)
        others = [reader for reader in consumers.get(current, []) if reader not in chain.movements]
        if op is None or others or (current is not tensor and current in graph.outputs):
            chain.sound = False
        elif isinstance(op, Dequantize) or (isinstance(op, Quantize) and op.output.dtype == np.uint8):
            chain.meet(op, op.input(0))
            break
        elif isinstance(op, MOVEMENT):
            chain.movements.append(op)
            current = op.input(0)
        else:
            chain.sound = False
    return chain


def _exchanged(graph: Graph, chain: _Chain) -> Graph:
    """The graph with the chain's tensors in int8 and without its conversions."""
    if not chain.sound or not chain.conversions or chain.quantization is None:
        return graph
    int8 = {t: replace(t, dtype=np.dtype(np.int8), quantization=chain.quantization) for t in chain.tensors}
    padded: Mapping[Operator, Operator] = {op: _int8_pad(op, chain.quantization) for op in chain.movements if isinstance(op, Pad)}
    merged = {
        (op.output if op.input(0) in int8 else op.input(0)): int8.get(op.input(0)) or int8[op.output] for op in chain.conversions
    }
    kept = graph.exchange({**padded, **dict.fromkeys(chain.conversions)})
    return kept.substitute({**int8, **merged})


def _int8_pad(op: Pad, quantization: Quantization) -> Operator:
    """A PAD whose constant, where it names one, is restated in int8."""
    if len(op.inputs) < 3:
        return op
    value = op.input(2)
    real = float(op.constant(2).reshape(-1)[0])
    if value.dtype == np.uint8 and op.input(0).quantization is not None:
        real = (real - op.input(0).zero_point) * op.input(0).scale
    target = replace(value, dtype=np.dtype(np.int8), quantization=quantization, data=None)
    stored = np.clip(quantize(real, target), -128, 127)
    return replace(op, inputs=(*op.inputs[:2], replace(target, data=np.full(value.shape, stored, np.int8)), *op.inputs[3:]))
