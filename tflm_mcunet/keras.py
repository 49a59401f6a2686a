"""What a Keras model will cost on a board, before it is trained: a summary, figures for a search of one's own, and a callback.

    tflm_mcunet.summary(model, target="stm32f746")          # prints a line per layer, and whether the model will fit
    tflm_mcunet.cost(model, "stm32f746").sram               # for a scorer of KerasTuner or Optuna
    model.fit(..., callbacks=[tflm_mcunet.cost_callback("stm32f746", folder="logs")])

Models are functional or sequential, of Keras 3 or tf_keras; nothing is converted or run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from patch_scheduler import Schedule, live_bytes, schedule_layers
from patch_scheduler.batch import GAPS
from patch_scheduler.choose import UNLIMITED
from patch_scheduler.streams import Streams
from tflm_mcunet.codegen.lower import Lowered, lower
from tflm_mcunet.cost import load
from tflm_mcunet.cost.flash import constant_bytes
from tflm_mcunet.graph import Graph
from tflm_mcunet.keras_graph import KerasError, keras_graph
from tflm_mcunet.kernels import select_kernels
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.kernels.flash import code_bytes, function_of
from tflm_mcunet.options import Options, parse_bytes
from tflm_mcunet.passes import PASSES, remove_dead_channels, rewrite
from tflm_mcunet.report.verdict import sentence, verdict

REACH = 0.9
"""Limits below this part of the least arena expected, which is within 8%, are not planned for."""

Print = Callable[[str], Any]


@dataclass(frozen=True)
class Layer:
    """One operator of the int8 model: its layer, kind, output shape, MACs, bytes of weights, and bytes of SRAM while it runs."""

    name: str
    kind: str
    shape: tuple[int, ...]
    macs: int
    weights: int
    sram: int


@dataclass(frozen=True)
class Cost:
    """What a model needs on a target.

    Attributes:
        target: its name.
        schedule: `layer` where the model fits layer by layer, otherwise `stream`.
        sram: bytes of arena, planned as `compile` does; the least that is expected where that is more than the limit.
        sram_least: bytes of arena expected when rows stream and as little as possible is kept.
        flash: bytes of weights and tables; code is some kilobytes more.
        instructions: estimated for one inference with the kernels and the schedule that `compile` chooses within the limit;
            where nothing fits it, those of the least arena, so at most.
        macs: multiply-accumulates as written.
        fits: whether target and limits hold all of it.
        problem: what is missing, empty where it fits.
        layers: the operators in order.
    """

    target: str
    schedule: str
    sram: int
    sram_least: int
    flash: int
    instructions: int
    macs: int
    fits: bool
    problem: str
    layers: tuple[Layer, ...]


def cost(model: Any, target: str = "generic", *, sram: int | str | None = None) -> Cost:
    """What `model`, trained or not, will need on `target`.

    Args:
        model: a functional or sequential Keras model (Keras 3 or tf_keras).
        target: a board or core from `tflm-mcunet targets`.
        sram: limit of the arena in bytes or as `64KB`; by default that of the target.

    Raises:
        Error: a layer has no int8 form, or the target is unknown.
    """
    if isinstance(model, str | bytes | os.PathLike):
        raise KerasError("cost takes a Keras model; of a .tflite file `tflm-mcunet analyze` tells the same")
    return cost_of(keras_graph(model)[0], _options(target, sram))


def cost_of(graph: Graph, options: Options) -> Cost:
    """The same of an int8 graph."""
    graph = rewrite(graph, tuple(each for each in PASSES if each is not remove_dead_channels), None)
    fast = lower(select_kernels(graph, options.board.features))
    schedule, plan = schedule_layers(fast.network, UNLIMITED)
    least = min(_least(lower(graph)), plan.arena)
    way = _Way("layer", fast, schedule.block, plan.arena)
    if options.sram_limit is not None and plan.arena > options.sram_limit:
        way = _within(graph, options, least)
    flash = sum(map(constant_bytes, way.lowered.operators))
    code = code_bytes(map(function_of, way.lowered.operators), options.board)
    found = verdict(options, way.arena, flash, code)
    return Cost(
        target=options.target,
        schedule=way.schedule,
        sram=way.arena,
        sram_least=min(least, way.arena),
        flash=flash,
        instructions=load(options.board).total(way.lowered.operators, way.block),
        macs=graph.macs,
        fits=found["fits"],
        problem="" if found["fits"] else sentence(found, options.target),
        layers=_layers(fast, schedule),
    )


@dataclass(frozen=True)
class _Way:
    """How a model may run: its schedule's name, the operators with kernels, the steps of the events of each, bytes of arena."""

    schedule: str
    lowered: Lowered
    block: Sequence[int]
    arena: int


def _within(graph: Graph, options: Options, least: int) -> _Way:
    """The way that `compile` takes within a limit that the fastest kernels miss; the least one where it is out of reach."""
    if (options.sram_limit or 0) < REACH * least:
        lean = lower(graph)
        return _Way("stream", lean, (1,) * len(lean.operators), least)
    planned = plan_with_kernels(graph, options)
    streamed = any(last - first > 1 for first, last in planned.schedule.stages)
    return _Way("stream" if streamed else "layer", planned.lowered, planned.schedule.block, planned.plan.arena)


def _least(lean: Lowered) -> int:
    """Bytes of arena expected when rows stream and as little as possible is kept."""
    return round(Streams(lean.network, lambda index, block, fused: float(lean.operators[index].macs)).least * GAPS)


def _layers(lowered: Lowered, schedule: Schedule) -> tuple[Layer, ...]:
    """The operators with the bytes that are alive while they run layer by layer."""
    live = [0] * len(lowered.operators)
    for event, size in zip(schedule.events, live_bytes(lowered.network, schedule), strict=True):
        live[event.operator] = max(live[event.operator], int(size))
    return tuple(
        Layer(op.name, op.kind, op.output.shape, op.macs, sum(t.bytes for t in op.present_inputs if t.constant), size)
        for op, size in zip(lowered.operators, live, strict=True)
    )


def summary(
    model: Any, target: str = "generic", *, sram: int | str | None = None, print_fn: Callable[[str], Any] = print
) -> None:
    """Prints, like Keras's own, a line per layer that the int8 model will have, and whether it will fit.

    Args:
        model: a functional or sequential Keras model (Keras 3 or tf_keras).
        target: a board or core from `tflm-mcunet targets`.
        sram: limit of the arena in bytes or as `64KB`; by default that of the target.
        print_fn: gets the text.

    Raises:
        Error: a layer has no int8 form, or the target is unknown.
    """
    from tflm_mcunet.report.terminal import keras_summary

    found = cost(model, target, sram=sram)
    print_fn(keras_summary(str(model.name), found))


def cost_callback(
    target: str = "generic",
    *,
    sram: int | str | None = None,
    flash: int | str | None = None,
    instructions: int | None = None,
    folder: str | None = None,
    stop: bool = True,
) -> Any:
    """A callback for `fit`, also within a search, that prices the model when its training begins.

    `sram`, `flash` and `instructions` are in the logs of every epoch, for a search to rank by, and `over_budget` is 1 there for
    a model that needs more than it may.

    Args:
        target: a board or core from `tflm-mcunet targets`.
        sram: the budget of the arena in bytes or as `64KB`; by default the target's.
        flash: the budget of weights and tables, likewise.
        instructions: the budget of one inference; None for none.
        folder: where the figures are written for TensorBoard, or None.
        stop: end the training of a model over the budget after its first batch.

    Raises:
        Error: the target is unknown.
    """
    from tflm_mcunet.keras_callback import make

    return make(Budget(_options(target, sram), None if flash is None else _bytes(flash), instructions), folder, stop)


@dataclass(frozen=True)
class Budget:
    """What a model may need; None: no limit, or the target's."""

    options: Options
    flash: int | None = None
    instructions: int | None = None

    def passed(self, found: Cost) -> bool:
        """Whether a model needs more."""
        pairs = ((found.flash, self.flash), (found.instructions, self.instructions))
        return not found.fits or any(limit is not None and need > limit for need, limit in pairs)


def _options(target: str, sram: int | str | None) -> Options:
    return Options(target=target, sram=None if sram is None else _bytes(sram))


def _bytes(size: int | str) -> int:
    return parse_bytes(size) if isinstance(size, str) else size
