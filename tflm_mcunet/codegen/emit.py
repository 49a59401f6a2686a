"""Writes a scheduled graph as C99: PREFIX.h, PREFIX.c and the kernel headers they need."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import gcd
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from patch_scheduler import Plan, Schedule
from tflm_mcunet.codegen.fold import fold
from tflm_mcunet.codegen.lower import Lowered
from tflm_mcunet.graph import Array, Graph, Tensor
from tflm_mcunet.operators.base import Operator, Record
from tflm_mcunet.operators.source import Source
from tflm_mcunet.planning import CACHE_LINE, next_bytes

MAX_PLACE = (1 << 16) - 1
"""In a table of places of 16 bits."""

MAX_UNIT = 1 << 15
"""Of places, in bytes: a power of two, so that it divides what larger units divide."""

OWNERSHIP = "/* Part of what tflm-mcunet generated; it belongs to whoever generated it. */\n"
"""First line of files that are copied out beside the generated code."""

LARGE = 64
"""Bytes from which on an array counts as weights where these have a section of their own."""

C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
    np.dtype(np.int64): "int64_t",
    np.dtype(np.float32): "float",
    np.dtype(np.bool_): "uint8_t",
}


def arena_alignment(extras: Collection[str]) -> int:
    """Alignment of the arena and of buffers beside it in bytes: a cache line where DMA writes inputs; else 8 would do."""
    return CACHE_LINE if "dma" in extras else 16


@dataclass(frozen=True)
class Code:
    """What one operator became: the C function that computes it, and the bytes of constants that it brought."""

    kernel: str
    constant_bytes: int


@dataclass(frozen=True)
class Emission:
    """The generated files by name, the bytes of constant data among them, and the code of every operator."""

    files: dict[str, str]
    constant_bytes: int
    operators: tuple[Code, ...]


@dataclass(frozen=True)
class Places:
    """Where every group of 1 << `group` rows lies, in units of `unit` bytes."""

    places: Array
    unit: int
    group: int


NO_PLACES = {"places": "NULL", "unit": 1, "group": 0}
"""Of a tensor whose rows lie one after the other."""


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tflm_mcunet.codegen"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )


def emit(
    graph: Graph,
    lowered: Lowered,
    schedule: Schedule,
    plan: Plan,
    prefix: str,
    notes: Mapping[str, str],
    extras: Collection[str] = (),
    stage: bool = False,
) -> Emission:
    """The C sources of a planned graph.

    `prefix` names every public symbol; `notes` are lines for the file's head comment (model, target, version); `extras` and
    `stage` are those of the options.
    """
    writer = _Writer(graph, lowered, schedule, plan, prefix, f"{prefix.upper()}_WEIGHTS" if "external-weights" in extras else "")
    operators = [writer.operator(i, op) for i, op in enumerate(lowered.operators)]
    outputs = [writer.interface(t) for t in graph.outputs]
    headers = sorted({op["header"] for op in operators} | {"mcu_rows.h"})
    values = {
        "prefix": prefix,
        "PREFIX": prefix.upper(),
        "notes": {key: _safe(value) for key, value in notes.items()},
        "extras": extras,
        "stage": stage,
        "wide_places": writer.wide_places,
        "large": LARGE,
        "arena_bytes": _whole_lines(max(1, plan.arena)) if "dma" in extras else max(1, plan.arena),
        "alignment": arena_alignment(extras),
        "inputs": [writer.interface(t) | {"next_bytes": next_bytes(t, extras)} for t in graph.inputs],
        "pulled": any(isinstance(op, Source) for op in lowered.operators),
        "outputs": outputs,
        "operators": operators,
        "tensors": list(writer.descriptors.values()),
        "arrays": [*writer.constants, *writer.shared],
        "loops": [_loop(loop) for loop in writer.loops()],
        "headers": headers,
    }
    files = {f"{prefix}{suffix}": _templates().get_template(f"model{suffix}.j2").render(values) for suffix in (".h", ".c")}
    for header in _closure([*headers, "mcu_camera.h"] if "camera" in extras else headers):
        files[header] = OWNERSHIP + _kernel_headers()[header].read_text()
    return Emission(files, writer.constant_bytes, tuple(Code(op["function"], op["constant_bytes"]) for op in operators))


def _whole_lines(size: int) -> int:
    return -(-size // CACHE_LINE) * CACHE_LINE


def _loop(loop: Any) -> dict[str, Any]:
    return {
        "repeat": loop.repeat,
        "events": [
            {"operator": event.operator, "first": event.first, "block": block, "advance": advance}
            for event, block, advance in zip(loop.events, loop.block, loop.advance, strict=True)
        ],
    }


class _Writer:
    """Names and formats everything that operators' records refer to."""

    def __init__(self, graph: Graph, lowered: Lowered, schedule: Schedule, plan: Plan, prefix: str, weights: str = "") -> None:
        """`weights` is a macro to write in front of large arrays."""
        self.graph, self.lowered, self.schedule, self.plan, self.prefix = graph, lowered, schedule, plan, prefix
        self.descriptors: dict[Tensor, dict[str, Any]] = {}
        self.arrays: dict[tuple[bool, str, bytes], str] = {}
        self.shared: list[dict[str, Any]] = []
        self.constants: list[dict[str, Any]] = []
        self.constant_bytes = 0
        self.weights = weights

    def loops(self) -> list[Any]:
        steps = [op.steps for op in self.lowered.network.operators]
        return fold(self.schedule.events, steps, self.schedule.block)

    def offsets(self, tensor: Tensor) -> Array:
        """Where each row of the tensor lies in the arena."""
        buffer = self.lowered.buffer[tensor]
        if buffer in self.plan.rows:
            return np.array(self.plan.rows[buffer])[:: tensor.row_bytes // self.lowered.network.tensors[buffer].row_bytes]
        return self.plan.tensors[buffer] + np.arange(tensor.rows) * tensor.row_bytes

    def interface(self, tensor: Tensor) -> dict[str, Any]:
        """What the header says about an input or output, and the C expression of its address."""
        quantized = tensor.quantization is not None
        return {
            "bytes": tensor.bytes,
            "rows": tensor.nhwc[1] if len(tensor.shape) == 4 else 1,
            "scale": _real(tensor.scale) if quantized else "1.0f",
            "zero_point": tensor.zero_point if quantized else 0,
            "comment": comment(tensor),
            "address": f"(const void *){self.array(f'{self.prefix}_constant_output', tensor.data)}"
            if tensor.data is not None
            else f"{self.prefix}_arena + {self.offsets(tensor)[0]}",
        }

    def operator(self, position: int, op: Operator) -> dict[str, Any]:
        """One operator's record and its arrays, ready for the template."""
        record, before = op.record(), self.constant_bytes
        name = f"{self.prefix}_op{position}"
        fields = {key: self.value(f"{name}_{key.rpartition('.')[2]}", value) for key, value in record.fields.items()}
        if isinstance(op, Source):
            fields["supplier"] = f"&{self.prefix}_supplier"
        if op.scratch or op.scratch_per_step:
            fields["scratch"] = f"{self.plan.scratch[position]}u"
        if op.state:
            fields["state"] = f"{self.plan.state[position]}u"
        arrays, self.shared = self.shared, []
        return {
            "name": name,
            "kernel": record.kernel,
            "function": record.function or f"mcu_{record.kernel}",
            "header": record.header or f"mcu_{record.kernel}.h",
            "fields": fields,
            "arrays": arrays,
            "comment": _operator_comment(op),
            "steps": op.steps,
            "constant_bytes": self.constant_bytes - before,
        }

    def value(self, name: str, value: Any) -> str:
        """A field's initialiser."""
        if isinstance(value, Tensor):
            return f"&{self.descriptor(value)}"
        if isinstance(value, np.ndarray):
            return self.array(name, value)
        if isinstance(value, tuple):
            nested = bool(value) and isinstance(value[0], Record)
            self.shared.append({"text": self.records(name, value) if nested else self.pointers(name, value)})
            return name
        if isinstance(value, float):
            return _real(value)
        return "INT32_MIN" if int(value) == -(1 << 31) else str(int(value))

    def pointers(self, name: str, tensors: tuple[Tensor, ...]) -> str:
        entries = ", ".join(f"&{self.descriptor(t)}" for t in tensors)
        return f"static const struct mcu_tensor *const {name}[{len(tensors)}] = {{{entries}}};"

    def records(self, name: str, records: tuple[Record, ...]) -> str:
        entries = []
        for index, record in enumerate(records):
            fields = [f".{key} = {self.value(f'{name}{index}_{key}', value)}" for key, value in record.fields.items()]
            lines = (", ".join(fields[i : i + 5]) for i in range(0, len(fields), 5))
            entries.append("    {" + ",\n     ".join(lines) + "},\n")
        return f"static const struct mcu_{records[0].kernel} {name}[{len(records)}] = {{\n{''.join(entries)}}};"

    def descriptor(self, tensor: Tensor) -> str:
        """The name of a tensor's `struct mcu_tensor`."""
        if tensor not in self.descriptors:
            name = f"{self.prefix}_constant{len(self.descriptors)}"
            data = "NULL" if tensor.data is None else self.array(name, tensor.data, before_tensors=True)
            self.descriptors[tensor] = {
                "name": f"{self.prefix}_t{len(self.descriptors)}",
                "data": data,
                **({"offset": 0, **NO_PLACES} if tensor.constant else self.places(tensor)),
                "row_bytes": tensor.row_bytes,
                "rows": tensor.rows,
                "comment": comment(tensor),
            }
        return str(self.descriptors[tensor]["name"])

    def places(self, tensor: Tensor) -> dict[str, Any]:
        """An offset where the rows lie one after the other, else a table of places."""
        table = self.table(tensor)
        if table is None:
            return {"offset": self.offsets(tensor)[0], **NO_PLACES}
        places = table.places.astype(np.uint32 if self.wide_places else np.uint16)
        name = self.array(f"{self.prefix}_places{len(self.descriptors)}", places, before_tensors=True, kind="mcu_row_place")
        return {"offset": 0, "places": name, "unit": table.unit, "group": table.group}

    def table(self, tensor: Tensor) -> Places | None:
        """None where the rows lie one after the other."""
        offsets = self.offsets(tensor)
        consecutive = np.diff(offsets) == tensor.row_bytes
        if consecutive.all():
            return None
        breaks = np.flatnonzero(~consecutive) + 1
        group = int(np.bitwise_or.reduce(breaks) & -np.bitwise_or.reduce(breaks)).bit_length() - 1
        places = offsets[:: 1 << group]
        unit = max(1, int(np.gcd.reduce(places)))
        unit = unit if unit <= MAX_UNIT else gcd(unit, MAX_UNIT)
        return Places(places // unit, unit, group)

    @cached_property
    def wide_places(self) -> bool:
        """Whether a table has places of more than 16 bits: then all get 32, and those of smaller arenas cost nothing."""
        tables = [self.table(tensor) for tensor in self.lowered.buffer]
        return any(table.places.max() > MAX_PLACE for table in tables if table is not None)

    def array(self, name: str, data: Array, *, before_tensors: bool = False, kind: str | None = None) -> str:
        """The name of a constant array with these values; equal arrays are emitted once (once more before the tensors).

        `kind` is a C type where that of the data is not to be named.
        """
        if data.dtype == np.bool_:
            data = data.astype(np.uint8)
        key = (before_tensors, data.dtype.str, data.tobytes())
        if key not in self.arrays:
            self.arrays[key] = name = re.sub(r"\W", "_", name)
            self.constant_bytes += data.nbytes
            text = c_array(name, data, kind)
            if self.weights and data.nbytes >= LARGE:
                text = text.replace("static const", f"static {self.weights} const", 1)
            (self.constants if before_tensors else self.shared).append({"text": text})
        return self.arrays[key]


def c_array(name: str, data: Array, kind: str | None = None) -> str:
    """A C array definition, of a type that fits the data if none is named, as many values a line as fit 120 columns."""
    values = data.reshape(-1).tolist()
    if data.dtype == np.float32:
        texts = [_real(value) for value in values]
    elif data.dtype == np.int64:
        texts = [f"INT64_C({value})" if value != -(1 << 63) else "INT64_MIN" for value in values]
    elif data.dtype == np.int32:
        texts = [str(value) if value != -(1 << 31) else "INT32_MIN" for value in values]
    else:
        texts = list(map(str, values))
    per_line = max(1, 112 // (max(map(len, texts)) + 2))
    lines = (", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line))
    body = ",\n    ".join(lines)
    return f"static const {kind or C_TYPES[data.dtype]} {name}[{len(texts)}] = {{\n    {body}}};"


def _real(value: float) -> str:
    """A float literal that reads back to the same single-precision value."""
    single = np.float32(value)
    if not np.isfinite(single):
        return "NAN" if np.isnan(single) else ("INFINITY" if single > 0 else "-INFINITY")
    text = np.format_float_scientific(single, unique=True, trim="0")
    return f"{text}f"


def comment(tensor: Tensor) -> str:
    """A tensor for a C comment: name (made safe) and shape."""
    shape = "x".join(map(str, tensor.shape)) or "scalar"
    return f"{_safe(tensor.name)} {shape}" + ("" if tensor.dtype == np.int8 else f" {tensor.dtype}")


def _operator_comment(op: Operator) -> str:
    shapes = [", ".join("x".join(map(str, t.shape)) or "scalar" for t in tensors) for tensors in _activations(op)]
    details = op.describe()
    return f"{op.index}: {op.kind} {_safe(op.name)}: {shapes[0]} -> {shapes[1]}" + (f", {details}" if details else "")


def _activations(op: Operator) -> Iterator[list[Tensor]]:
    yield [t for t in op.present_inputs if not t.constant]
    yield list(op.outputs)


def _safe(text: str) -> str:
    """Text that can stand in a C comment: printable ASCII without comment marks or trigraphs, cut at 80 characters."""
    text = re.sub(r"[^ -~]|\*/|/\*|\?\?|//|\\", "_", text)
    return text if len(text) <= 80 else text[:77] + "..."


@cache
def _kernel_headers() -> dict[str, Path]:
    """Kernel headers by file name."""
    return {path.name: path for path in sorted(kernel_folder().glob("*/*.h"))}


def kernel_folder() -> Path:
    """Where the C kernels are: beside the package in a checkout, inside it once installed."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "ops"
    return installed if installed.is_dir() else package.parent / "ops"


def _closure(headers: list[str]) -> list[str]:
    """The headers and all that they include."""
    found: dict[str, None] = {}
    pending = list(headers)
    while pending:
        header = pending.pop()
        if header not in found:
            found[header] = None
            pending += re.findall(r'#include "(mcu_\w+\.h)"', _kernel_headers()[header].read_text())
    return sorted(found)
