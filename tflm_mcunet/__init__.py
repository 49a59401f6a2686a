"""Compiles int8 .tflite models to static C for microcontrollers, bit-exact with TensorFlow Lite Micro."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.keras import Cost, cost_callback, summary
    from tflm_mcunet.targets import Target

__version__ = "0.1.0"
__all__ = ["Compiled", "Cost", "Error", "Target", "__version__", "compile", "cost_callback", "summary"]

from tflm_mcunet.errors import Error


def compile(
    model: str | os.PathLike[str] | bytes | Any,
    *,
    target: str = "generic",
    name: str | None = None,
    sram: int | str | None = None,
    minimize: str = "latency",
    schedule: str = "auto",
    patches: int | None = None,
    patch_depth: int | None = None,
    macs_budget: float = 1.0,
    input: str = "whole",
    io: str = "model",
    keep_dead_channels: bool = False,
    export: str | None = None,
    extras: Sequence[str] = (),
    representative_dataset: Callable[[], Any] | None = None,
    trace: Callable[[str], None] | None = None,
) -> Compiled:
    """Compiles an int8 model to C.

    Args:
        model: path of a .tflite, its bytes, or a Keras model (Keras 3 or tf_keras).
        target: a board or core from `tflm-mcunet targets`.
        name: prefix of the C symbols; by default from the file's name.
        sram: limit of the arena in bytes or as `64KB`; by default that of the target.
        minimize: latency, sram or flash.
        schedule: auto, layer, patch or stream.
        patches: with `patch`, the side of the grid; searched where None.
        patch_depth: with `patch`, how many operators run per patch; searched where None.
        macs_budget: recompute up to this multiple of the model's work to save SRAM.
        input: `whole`, or `pull` to have the application asked for the rows of input 0.
        io: `model` keeps the edges' types, `int8` drops float and uint8 conversions at the edges.
        keep_dead_channels: keep channels that are proved constant, or that nobody reads.
        export: arduino, mbed, stm32cube, zephyr, platformio, espidf, cmake or make: `write` then makes a project of it.
        extras: what firmware may ask for besides: see docs/guides/firmware.md.
        representative_dataset: for a Keras model, a function that yields lists of float32 inputs, batch first, to quantise with;
            not needed where it was trained quantised, with TensorFlow's model optimisation toolkit.
        trace: gets the graph after each pass, the schedule and the plan, as text.

    Raises:
        Error: the model cannot be read or is not supported, an option makes no sense, or the model does not fit.
    """
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.compiler import build
    from tflm_mcunet.options import Options, parse_bytes
    from tflm_mcunet.source import load

    limit = parse_bytes(sram) if isinstance(sram, str) else sram
    options = Options(
        target=target,
        name=name,
        sram=limit,
        minimize=minimize,
        schedule=schedule,
        patches=patches,
        patch_depth=patch_depth,
        macs_budget=macs_budget,
        input=input,
        io=io,
        dead_channels=not keep_dead_channels,
        export=export,
        extras=tuple(extras),
    )
    content, source = load(model, representative_dataset)
    return Compiled(content, build(content, source, options, trace))


_ELSEWHERE = {
    "Compiled": "compiled",
    "Target": "targets",
    **dict.fromkeys(("Cost", "cost_callback", "summary"), "keras"),
    "cost": "cost",
}
"""Public names of modules that are imported when they are asked for."""


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        module = import_module(f"{__name__}.{_ELSEWHERE[name]}")
        return module if name == "cost" else getattr(module, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
