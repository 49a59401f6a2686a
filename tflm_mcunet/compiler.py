"""The pipeline: read, rewrite, schedule, plan, emit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from patch_scheduler import Plan, Schedule, validate
from tflm_mcunet import __version__
from tflm_mcunet.codegen.emit import Emission, emit
from tflm_mcunet.codegen.lower import Lowered
from tflm_mcunet.fit import check_all, check_flash, check_sram
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.kernels.flash import code_bytes
from tflm_mcunet.operators.base import Operator, Unsupported
from tflm_mcunet.options import OptionError, Options
from tflm_mcunet.passes import PASSES, int8_edges, pull_input, remove_dead_channels, rewrite
from tflm_mcunet.planning import Planned, next_bytes
from tflm_mcunet.tflite.reader import MalformedModel, read
from tflm_mcunet.trace import describe

VANISHING = 1e-6
"""Inputs of a smaller scale hold nothing: deep networks that were not trained have such."""

REWRITE = "tflm-mcunet rewrite compiles a part of the model and leaves the rest to TFLM"
CALIBRATE = "its input is all but zero: train the network first, and quantise it with samples like its data"


@dataclass(frozen=True)
class Program:
    """Everything the compiler knows of one compiled model: the graph as read, as rewritten, as scheduled and as C."""

    prefix: str
    options: Options
    source: Graph
    planned: Planned
    emission: Emission

    @property
    def graph(self) -> Graph:
        return self.planned.graph

    @property
    def lowered(self) -> Lowered:
        return self.planned.lowered

    @property
    def schedule(self) -> Schedule:
        return self.planned.schedule

    @property
    def plan(self) -> Plan:
        return self.planned.plan

    @property
    def code(self) -> int:
        """Bytes of the kernels, at least."""
        return code_bytes((op.kernel for op in self.emission.operators), self.options.board)


def build(
    model: bytes,
    source: str = "model",
    options: Options | None = None,
    trace: Callable[[str], None] | None = None,
    *,
    must_fit: bool = True,
) -> Program:
    """Compiles the bytes of a .tflite.

    Args:
        source: the name of its file, for messages and the C prefix.
        options: how; the defaults of Options where None.
        trace: gets the graph after each pass, the schedule and the plan as text.
        must_fit: raise where the target's memory is too small; reports show by how much instead.

    Raises:
        Error: the model is damaged, asks for what is not supported, or does not fit.
    """
    options = options or Options()
    prefix = options.prefix(source)
    original = supported(model, source)
    options = _fitted(original, options)
    planned = _planned(original, options, trace)
    schedule, plan = planned.schedule, planned.plan
    validate(planned.lowered.network, schedule, plan)
    if trace is not None:
        trace(describe(planned))
    notes = {"model": source, "target": options.target, "compiler": f"tflm-mcunet {__version__}"}
    emission = emit(planned.graph, planned.lowered, schedule, plan, prefix, notes, options.extras, options.stage)
    program = Program(prefix, options, original, planned, emission)
    if must_fit:
        _check_fit(program)
    return program


def _check_fit(program: Program) -> None:
    original, plan, options = program.source, program.plan, program.options
    wide = any(tensor.dtype != np.int8 for tensor in (*original.inputs, *original.outputs))

    def arena_with(other: Options) -> int:
        return plan_with_kernels(prepared(original, other), replace(other, minimize="sram")).plan.arena

    check_all(
        lambda: check_sram(plan.arena, options, wide, arena_with),
        lambda: check_flash(program.emission.constant_bytes, program.code, options),
    )


def supported(model: bytes, source: str) -> Graph:
    """The graph as read, all of whose operators are supported."""
    remedy = REWRITE
    try:
        graph = read(model, source)
        for op in graph.operators:
            remedy = CALIBRATE if _vanishing(op) else REWRITE
            op.check()
    except MalformedModel as error:
        raise MalformedModel(f"{source}: {error}") from error
    except Unsupported as error:
        raise Unsupported(f"{error}; {remedy}") from error
    return graph


def _vanishing(op: Operator) -> bool:
    """Whether the operator is given a signal of no size."""
    return any(t.quantization is not None and not t.constant and t.scale < VANISHING for t in op.present_inputs)


def _fitted(original: Graph, options: Options) -> Options:
    """The options with what follows from the model; raises OptionError for extras that its inputs do not have."""
    inputs = (int8_edges(original) if options.io == "int8" else original).inputs
    if "camera" in options.extras and (len(inputs[0].shape) != 4 or inputs[0].nhwc[3] not in (1, 3)):
        shape = "x".join(map(str, inputs[0].shape))
        raise OptionError(f"--with camera: input 0 ({inputs[0].name}, {shape}) is no picture of 1 or 3 channels")
    if "keep-input" in options.extras and options.input == "pull" and len(inputs) == 1:
        raise OptionError("--with keep-input: the only input is pulled, so that there is none to keep; leave out --input pull")
    if "double-buffer" not in options.extras:
        return options
    return replace(options, beside=sum(next_bytes(tensor, options.extras) for tensor in inputs))


def _planned(original: Graph, options: Options, trace: Callable[[str], None] | None = None) -> Planned:
    return plan_with_kernels(prepared(original, options, trace), options)


def prepared(original: Graph, options: Options, trace: Callable[[str], None] | None = None) -> Graph:
    """The graph as it is scheduled: rewritten by the passes, the rows of its input pulled where the options say so."""
    passes = PASSES if options.dead_channels else tuple(p for p in PASSES if p is not remove_dead_channels)
    graph = rewrite(int8_edges(original) if options.io == "int8" else original, passes, trace)
    return pull_input(graph) if options.input == "pull" else graph
