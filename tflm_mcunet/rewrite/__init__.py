"""From a .tflite the same model with regions of operators as single custom operators, and those operators for TFLM."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from tflm_mcunet.compiled import Compiled, write_folder
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.errors import Error
from tflm_mcunet.fit import DoesNotFit, check_flash
from tflm_mcunet.graph import Tensor
from tflm_mcunet.kernels.flash import code_bytes
from tflm_mcunet.options import OptionError, Options
from tflm_mcunet.rewrite.glue import glue_files
from tflm_mcunet.rewrite.model import Model, Region, Replacement
from tflm_mcunet.rewrite.places import Inside, Span, height, place
from tflm_mcunet.rewrite.regions import NoRegion, Regions, parse_region, spans
from tflm_mcunet.tflite.reader import MalformedModel

__all__ = ["NoRegion", "Region", "Rewritten", "Stage", "rewrite"]

EXTRAS = ("external-weights", "hooks")
"""What firmware may ask for of a stage; the edges of the model are TFLM's."""

WORTH = 1.05
"""A stage gets more memory where it then runs so many times as fast."""

KEY_BYTES = 8

Trace = Callable[[str], None] | None


@dataclass(frozen=True)
class Stage:
    """A region as an operator of TFLM's: its C, and the key by which it knows the model that it belongs to."""

    compiled: Compiled
    replacement: Replacement

    @property
    def prefix(self) -> str:
        return self.compiled.program.prefix

    @property
    def name(self) -> str:
        return self.replacement.name


@dataclass(frozen=True)
class Rewritten:
    """The result of `rewrite`.

    Attributes:
        source: the name of the model's file, of `original_bytes`.
        prefix: of the C symbols, and the C++ namespace.
        model: the bytes of the rewritten .tflite.
        before, after: bytes of tensors in TFLM's arena, without scratch memory of its kernels and its persistent structures;
            `before` is the least that any plan of TFLM's takes, `after` what the plan in the model takes.
    """

    source: str
    original_bytes: int
    prefix: str
    options: Options
    model: bytes
    stages: tuple[Stage, ...]
    before: int
    after: int

    @property
    def files(self) -> dict[str, str]:
        """The C of the stages and the C++ that registers them, by name."""
        files: dict[str, str] = {}
        for stage in self.stages:
            files |= stage.compiled.program.emission.files
        return {**files, **glue_files(self)}

    @property
    def report(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "model": self.source,
            "target": self.options.target,
            "original_bytes": self.original_bytes,
            "model_bytes": len(self.model),
            "arena": {"before": self.before, "after": self.after},
            "stages": [_describe(stage) for stage in self.stages],
        }

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Writes the .tflite to `path` and everything else to the folder `<stem>_stages` beside it, which is returned.

        Raises:
            Error: they cannot be written.
        """
        from tflm_mcunet.export import export_stages

        target = Path(path)
        folder = target.with_name(f"{target.stem}_stages")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, staged = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
        except OSError as error:
            raise Error(f"cannot write {target}: {error.strerror or error}") from error
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.model)
            os.chmod(staged, 0o644)
            write_folder(folder, export_stages(self))
            os.replace(staged, target)
        except OSError as error:
            raise Error(f"cannot write {target}: {error.strerror or error}") from error
        finally:
            with suppress(FileNotFoundError):
                os.unlink(staged)
        return folder


def rewrite(
    model: bytes,
    source: str = "model",
    options: Options | None = None,
    regions: Sequence[str] = (),
    everything: bool = False,
    trace: Trace = None,
) -> Rewritten:
    """Rewrites the bytes of a .tflite.

    Args:
        source: the name of its file, for messages and the C prefix.
        options: how stages are compiled. Without `sram`, and unless the least is asked for, a stage may take 1.25 times its
            least where this makes it faster, or what the rest of the model needs anyway.
        regions: regions as FIRST:LAST, numbers of operators; none means the one that shrinks the arena most.
        everything: all operators are one region.
        trace: gets what `build` tells of each stage as text.

    Raises:
        Error: the model is damaged, a region holds what is not supported, or nothing would be gained.
    """
    options = options or Options()
    _check(options)
    try:
        editable = Model(model)
    except MalformedModel as error:
        raise MalformedModel(f"{source}: {error}") from error
    found = Regions(editable, options)
    chosen = _chosen(found, regions, everything)
    prefix = options.prefix(source)
    numbered = zip(_numbers(editable), chosen, strict=False)
    stages = tuple(_stage(found, region, number, prefix, options, trace) for number, region in numbered)
    placed: list[Span] = []

    def places(result: Model) -> list[int]:
        offsets = place(spans(result), _inside(result, stages))
        placed.extend(span.at(offsets[span.tensor]) for span in spans(result))
        return [offsets.get(tensor, -1) for tensor in range(len(result.tensors))]

    new = editable.replaced([stage.replacement for stage in stages], places)
    after = height(placed)
    if options.sram_limit is not None and after > options.sram_limit:
        limit = f"{after - options.sram_limit} more than the limit of {options.sram_limit}"
        raise DoesNotFit(f"the rewritten model has {after} bytes of tensors in TFLM's arena, {limit}")
    programs = [stage.compiled.program for stage in stages]
    kernels = code_bytes((op.kernel for program in programs for op in program.emission.operators), options.board)
    check_flash(len(new) + sum(program.emission.constant_bytes for program in programs), kernels, options)
    return Rewritten(source, len(model), prefix, options, new, stages, found.before, after)


def _check(options: Options) -> None:
    if options.io != "model":
        raise OptionError(f"--io {options.io}: rewrite keeps the edges of the model; leave it out")
    if options.input != "whole":
        raise OptionError(f"--input {options.input}: TFLM holds the whole input of a stage; leave it out")
    for extra in options.extras:
        if extra not in EXTRAS:
            raise OptionError(f"--with {extra}: of a rewritten model's stages, choose some of {', '.join(EXTRAS)}")


def _chosen(found: Regions, regions: Sequence[str], everything: bool) -> list[Region]:
    count = len(found.model.operators)
    if not count:
        raise NoRegion("the model has no operator")
    if everything and regions:
        raise OptionError("--everything and --region exclude each other")
    if not everything and not regions:
        return [found.best().region]
    chosen = [Region(0, count)] if everything else sorted((parse_region(text, count) for text in regions), key=lambda r: r.first)
    for region, following in pairwise(chosen):
        if region.last > following.first:
            raise OptionError(f"--region {region} and --region {following} overlap")
    for region in chosen:
        fault = next(filter(None, found.faults[region.first : region.last]), None)
        if fault is not None:
            raise NoRegion(f"region {region}: {fault}; leave this operator outside, for TFLM to run")
        if not found.model.reads(region) or not found.model.writes(region):
            raise NoRegion(f"region {region} reads nothing or makes nothing that is computed at run time")
    return chosen


def _numbers(model: Model) -> Iterable[int]:
    """Numbers for stages that the model does not have yet."""
    used = {model.kind(op) for op in model.operators}
    return (n for n in range(len(model.operators) + 1 + len(used)) if _stage_name(n) not in used)


def _stage_name(number: int) -> str:
    return f"TFLM_MCUNET_STAGE_{number}"


def _stage(found: Regions, region: Region, number: int, prefix: str, options: Options, trace: Trace) -> Stage:
    def compiled_with(chosen: Options) -> Compiled:
        return Compiled(extracted, build(extracted, f"operators {region} of {prefix}", chosen, trace, must_fit=False))

    inputs, outputs = found.model.reads(region), found.model.writes(region)
    extracted = found.model.extract(region, inputs, outputs)
    keep = ("keep-input",) if any(found.needed_after(region, tensor) for tensor in inputs) else ()
    own = replace(options, name=f"{prefix}_stage{number}", export=None, extras=(*options.extras, *keep), stage=True)
    if options.minimize == "sram" or options.sram is not None:
        compiled = compiled_with(own)
    else:
        tight, roomy = (compiled_with(replace(own, sram=limit)) for limit in found.rooms(region))
        compiled = roomy if _instructions(tight) > WORTH * _instructions(roomy) else tight
    program = compiled.program
    code = "".join(program.emission.files[f"{program.prefix}{suffix}"] for suffix in (".h", ".c"))
    key = hashlib.sha256(extracted + code.encode()).digest()[:KEY_BYTES]
    replacement = Replacement(region, _stage_name(number), inputs, outputs, max(1, program.plan.arena), key)
    return Stage(compiled, replacement)


def _instructions(compiled: Compiled) -> int:
    return int(compiled.report["estimate"]["instructions"])


def _inside(model: Model, stages: Iterable[Stage]) -> Iterable[Inside]:
    """Where the stages' inputs and outputs lie in their arenas; the arena is an operator's last output."""
    by_name = {stage.name: stage for stage in stages}
    for op in model.operators:
        stage = by_name.get(model.kind(op))
        if stage is not None:
            program, (*outputs, arena) = stage.compiled.program, op.vector(2).values()
            reads = zip(op.vector(1).values(), program.graph.inputs, strict=True)
            for number, tensor in (*reads, *zip(outputs, program.graph.outputs, strict=True)):
                offset = _offset(program, tensor)
                if offset is not None:
                    yield Inside(number, arena, offset)


def _offset(program: Program, tensor: Tensor) -> int | None:
    """Where an edge lies in the stage's arena; None for a constant."""
    if tensor.constant:
        return None
    buffer = program.lowered.buffer[tensor]
    return int(program.plan.rows[buffer][0] if buffer in program.plan.rows else program.plan.tensors[buffer])


def _describe(stage: Stage) -> dict[str, Any]:
    program, region = stage.compiled.program, stage.replacement.region
    return {
        "name": stage.name,
        "prefix": stage.prefix,
        "first": region.first,
        "last": region.last,
        "arena": program.plan.arena,
        "lower_bound": program.plan.lower_bound,
        "weights": program.emission.constant_bytes,
        "macs": stage.compiled.report["macs"],
    }
