"""Cuts regions out of a .tflite and puts single operators in their place; numbers of tensors, buffers and codes stay consistent.

What only the cut part used goes: its tensors, its buffers (the weights), its operator codes. What is left keeps its bytes,
but for the numbers that count the things that are still there.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import tflite

from tflm_mcunet.tflite.reader import DTYPES, MalformedModel
from tflm_mcunet.tflite.tables import BUFFER_ALIGNMENT, Table, Tables, Vector, parse
from tflm_mcunet.tflite.writer import write

CUSTOM = int(tflite.BuiltinOperator.CUSTOM)
INT8 = int(tflite.TensorType.INT8)
PLACES = "OfflineMemoryAllocation"
"""The metadata that tells TFLM's planner where tensors lie."""

UNKNOWN_NUMBERS = ("COMPRESSION_METADATA",)
"""Metadata that counts tensors in a way of its own."""

# Slots of the schema's tables.
CODES, SUBGRAPHS, BUFFERS, OLD_METADATA, METADATA, SIGNATURES = 1, 2, 4, 5, 6, 7
TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3
SHAPE, TYPE, BUFFER, NAME, VARIABLE = 0, 1, 2, 3, 5
CODE, READS, WRITES, OPTIONS, INTERMEDIATES = 0, 1, 2, 5, 8


@dataclass(frozen=True)
class Region:
    """Operators [first, last) of subgraph 0."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"


@dataclass(frozen=True)
class Replacement:
    """A region and the custom operator in its place.

    `inputs` and `outputs` are numbers of tensors; a tensor of `arena` bytes becomes its last output, `key` its custom options.
    """

    region: Region
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arena: int
    key: bytes


class Model:
    """An editable .tflite, of which subgraph 0 is the network."""

    def __init__(self, model: bytes) -> None:
        """Raises MalformedModel where the file is damaged, or where numbers in it mean nothing."""
        self.root = parse(model)
        if not self.root.tables(SUBGRAPHS):
            raise MalformedModel("the model has no subgraph")
        self._check()

    # ---- what is there ----

    @property
    def subgraph(self) -> Table:
        return self.root.tables(SUBGRAPHS)[0]

    @property
    def tensors(self) -> list[Table]:
        return self.subgraph.tables(TENSORS)

    @property
    def operators(self) -> list[Table]:
        return self.subgraph.tables(OPERATORS)

    @property
    def inputs(self) -> list[int]:
        return self.subgraph.vector(INPUTS).values()

    @property
    def outputs(self) -> list[int]:
        return self.subgraph.vector(OUTPUTS).values()

    def kind(self, operator: Table) -> str:
        """The name of an operator's kind, or that of a custom one."""
        code = self.root.tables(CODES)[operator.get(CODE, "I")]
        number = max(code.get(0, "b"), code.get(3, "i"))
        return code.text(1) if number == CUSTOM else str(tflite.BUILTIN_OPCODE2NAME.get(number, number))

    def computed(self, tensor: int) -> bool:
        """Whether a tensor lies in the arena: it is no constant, and no variable."""
        table = self.tensors[tensor]
        buffer = self.root.tables(BUFFERS)[table.get(BUFFER, "I")]
        return not buffer.vector(0).elements and not table.get(VARIABLE, "B")

    def size(self, tensor: int) -> int:
        """Bytes of a tensor; 0 where its type has no size."""
        table = self.tensors[tensor]
        dtype = DTYPES.get(table.get(TYPE, "b"))
        return math.prod(max(0, n) for n in table.vector(SHAPE).values()) * (dtype.itemsize if dtype else 0)

    def reads(self, region: Region) -> tuple[int, ...]:
        """Computed tensors that a region reads and does not make."""
        made = set(_numbers(self.operators[region.first : region.last], WRITES))
        read = _numbers(self.operators[region.first : region.last], READS)
        return tuple(dict.fromkeys(t for t in read if self.computed(t) and t not in made))

    def writes(self, region: Region) -> tuple[int, ...]:
        """Tensors that a region makes and that are needed outside of it."""
        outside = self.operators[: region.first] + self.operators[region.last :]
        needed = {*_numbers(outside, READS), *self.outputs}
        made = _numbers(self.operators[region.first : region.last], WRITES)
        return tuple(dict.fromkeys(t for t in made if t in needed))

    # ---- edited copies ----

    def extract(self, region: Region, inputs: Iterable[int], outputs: Iterable[int]) -> bytes:
        """A .tflite of its own that computes `outputs` from `inputs` with the region's operators."""
        graph = self._with_operators(self.operators[region.first : region.last], inputs, outputs)
        root = self.root.copy()
        for slot in (OLD_METADATA, METADATA, SIGNATURES):
            if root.has(slot):
                root.attach(slot, Vector(b"", 4, 4) if slot == OLD_METADATA else Tables())
        root.attach(SUBGRAPHS, Tables([graph]))
        return write(_pruned(root, range(len(graph.tables(TENSORS)))))

    def replaced(self, replacements: Iterable[Replacement], places: Callable[[Model], list[int]]) -> bytes:
        """The .tflite with custom operators instead of regions, in file order.

        `places` gives the offset in TFLM's arena of every tensor of subgraph 0 of the result, -1 where TFLM is to choose.
        """
        result = Model.__new__(Model)
        result.root = self._replaced(tuple(replacements))
        result.root = _with_places(result.root, places(result))
        return write(result.root)

    def _replaced(self, replacements: tuple[Replacement, ...]) -> Table:
        tensors, operators, codes = [*self.tensors], [*self.operators], [*self.root.tables(CODES)]
        for new in reversed(replacements):
            tensors.append(_arena_tensor(new))
            operators[new.region.first : new.region.last] = [_custom_operator(new, len(codes), len(tensors) - 1)]
            codes.append(_custom_code(new.name))
        graph = self._with_operators(operators, self.inputs, self.outputs)
        graph.attach(TENSORS, Tables(tensors))
        root = self.root.copy()
        root.attach(CODES, Tables(codes))
        root.attach(SUBGRAPHS, Tables([graph, *self.root.tables(SUBGRAPHS)[1:]]))
        cut = [op for new in replacements for op in self.operators[new.region.first : new.region.last]]
        return _pruned(root, {*_tensors_of(cut)}, codes=[op.get(CODE, "I") for op in cut])

    def _with_operators(self, operators: list[Table], inputs: Iterable[int], outputs: Iterable[int]) -> Table:
        graph = self.subgraph.copy()
        graph.attach(OPERATORS, Tables(operators))
        for slot, numbers in ((INPUTS, [*inputs]), (OUTPUTS, [*outputs])):
            if self.subgraph.vector(slot).values() != numbers:
                graph.attach(slot, Vector.of(numbers))
        return graph

    # ---- distrust ----

    def _check(self) -> None:
        codes, buffers = len(self.root.tables(CODES)), len(self.root.tables(BUFFERS))
        if self.root.tables(BUFFERS) and self.root.tables(BUFFERS)[0].vector(0).elements:
            raise MalformedModel("buffer 0 holds data; it must be empty")
        for graph in self.root.tables(SUBGRAPHS):
            tensors = graph.tables(TENSORS)
            _in_range([t.get(BUFFER, "I") for t in tensors], buffers, "buffer")
            _in_range([op.get(CODE, "I") for op in graph.tables(OPERATORS)], codes, "operator code")
            _in_range(_tensors_of(graph.tables(OPERATORS)), len(tensors), "tensor")
            _in_range((*graph.vector(INPUTS).values(), *graph.vector(OUTPUTS).values()), len(tensors), "tensor")
        for entry in self.root.tables(METADATA):
            if entry.text(0) in UNKNOWN_NUMBERS:
                raise MalformedModel(f"the model's metadata {entry.text(0)} cannot be kept true: decompress the model first")
        _in_range([entry.get(1, "I") for entry in self.root.tables(METADATA)], buffers, "buffer")
        _in_range(self.root.vector(OLD_METADATA).values(), buffers, "buffer")
        _in_range(_named(self.root), len(self.tensors), "tensor")
        self._check_order()

    def _check_order(self) -> None:
        """Every tensor is computed once, before it is read."""
        there = {t for t in range(len(self.tensors)) if not self.computed(t)} | set(self.inputs)
        for index, op in enumerate(self.operators):
            for tensor in op.vector(READS).values():
                if tensor >= 0 and tensor not in there:
                    raise MalformedModel(f"operator {index} ({self.kind(op)}): tensor {tensor} is read before it is computed")
            for tensor in op.vector(WRITES).values():
                if tensor < 0 or tensor in there:
                    raise MalformedModel(
                        f"operator {index} ({self.kind(op)}): output tensor {tensor} is computed twice or missing"
                    )
                there.add(tensor)


# ---- new tables ----


def _arena_tensor(new: Replacement) -> Table:
    table = Table()
    table.attach(SHAPE, Vector.of([new.arena]))
    table.set(TYPE, "b", INT8)
    table.attach(NAME, Vector.string(f"{new.name}/arena"))
    return table


def _custom_operator(new: Replacement, code: int, arena: int) -> Table:
    table = Table()
    table.set(CODE, "I", code)
    table.attach(READS, Vector.of(new.inputs))
    table.attach(WRITES, Vector.of([*new.outputs, arena]))
    table.attach(OPTIONS, Vector(new.key, 1, BUFFER_ALIGNMENT))
    return table


def _custom_code(name: str) -> Table:
    table = Table()
    table.set(0, "b", CUSTOM)
    table.attach(1, Vector.string(name))
    table.set(2, "i", 1)
    table.set(3, "i", CUSTOM)
    return table


def _with_places(root: Table, places: list[int]) -> Table:
    """The model with offline places of the tensors of subgraph 0, instead of those that it may have; TFLM chooses the others."""
    root = root.copy()
    others = sum(len(graph.tables(TENSORS)) for graph in root.tables(SUBGRAPHS)[1:])
    entries = [*places, *[-1] * others]
    data = Table()
    content = struct.pack(f"<3I{len(entries)}i", 1, 0, len(entries), *entries)
    data.attach(0, Vector(content, 1, BUFFER_ALIGNMENT))
    entry = Table()
    entry.attach(0, Vector.string(PLACES))
    entry.set(1, "I", len(root.tables(BUFFERS)))
    root.attach(BUFFERS, Tables([*root.tables(BUFFERS), data]))
    root.attach(METADATA, Tables([*root.tables(METADATA), entry]))
    return root


# ---- pruning and numbers ----


def _tensors_of(operators: Iterable[Table]) -> list[int]:
    return [t for slot in (READS, WRITES, INTERMEDIATES) for t in _numbers(operators, slot)]


def _numbers(operators: Iterable[Table], slot: int) -> list[int]:
    """Numbers of tensors in a slot of operators; -1 stands for an operand that is left out."""
    return [t for op in operators for t in op.vector(slot).values() if t != -1]


def _in_range(numbers: Iterable[int], count: int, what: str) -> None:
    for number in numbers:
        if not 0 <= number < count:
            raise MalformedModel(f"{what} {number} does not exist")


def _pruned(root: Table, tensors: Collection[int], codes: Collection[int] | None = None) -> Table:
    """The model without those of `tensors` (of subgraph 0) and `codes` that nothing uses, and without the buffers that go along.

    All codes without use go where `codes` is None. Offline places that the model came with go, too.
    """
    root = root.copy()
    graphs = root.tables(SUBGRAPHS)
    kept = [entry for entry in root.tables(METADATA) if entry.text(0) != PLACES]
    graph = graphs[0]
    used = {*_tensors_of(graph.tables(OPERATORS)), *graph.vector(INPUTS).values(), *graph.vector(OUTPUTS).values(), *_named(root)}
    old = graph.tables(TENSORS)
    gone = set(tensors) - used
    buffers = {old[t].get(BUFFER, "I") for t in gone} | {e.get(1, "I") for e in root.tables(METADATA) if e.text(0) == PLACES}
    tensor_number = _renumbered(len(old), gone)
    graphs = [_with_tensors(graph, tensor_number), *graphs[1:]]

    count = len(root.tables(CODES))
    users = {op.get(CODE, "I") for g in graphs for op in g.tables(OPERATORS)}
    code_number = _renumbered(count, set(range(count) if codes is None else codes) - users)
    holders = {t.get(BUFFER, "I") for g in graphs for t in g.tables(TENSORS)}
    holders |= {0, *(entry.get(1, "I") for entry in kept), *root.vector(OLD_METADATA).values()}
    buffer_number = _renumbered(len(root.tables(BUFFERS)), buffers - holders)

    root.attach(SUBGRAPHS, Tables([_with_numbers(g, code_number, buffer_number) for g in graphs]))
    root.attach(CODES, Tables([t for i, t in enumerate(root.tables(CODES)) if i in code_number]))
    root.attach(BUFFERS, Tables([t for i, t in enumerate(root.tables(BUFFERS)) if i in buffer_number]))
    if root.has(METADATA):
        root.attach(METADATA, Tables([_with_number(entry, 1, buffer_number) for entry in kept]))
    _exchange(root, OLD_METADATA, buffer_number)
    if root.has(SIGNATURES):
        root.attach(SIGNATURES, Tables([_with_maps(s, tensor_number) for s in root.tables(SIGNATURES)]))
    return root


def _named(root: Table) -> list[int]:
    """The tensors of subgraph 0 that signatures name."""
    signatures = [s for s in root.tables(SIGNATURES) if s.get(4, "I") == 0]
    return [entry.get(1, "I") for s in signatures for slot in (0, 1) for entry in s.tables(slot)]


def _renumbered(count: int, gone: Collection[int]) -> dict[int, int]:
    """The new number of all that stays."""
    return {old: new for new, old in enumerate(i for i in range(count) if i not in gone)}


def _with_tensors(graph: Table, number: Mapping[int, int]) -> Table:
    graph = graph.copy()
    graph.attach(TENSORS, Tables([t for i, t in enumerate(graph.tables(TENSORS)) if i in number]))
    operators = []
    for op in graph.tables(OPERATORS):
        op = op.copy()
        for slot in (READS, WRITES, INTERMEDIATES):
            _exchange(op, slot, number)
        operators.append(op)
    graph.attach(OPERATORS, Tables(operators))
    for slot in (INPUTS, OUTPUTS):
        _exchange(graph, slot, number)
    return graph


def _exchange(table: Table, slot: int, number: Mapping[int, int]) -> None:
    before = table.vector(slot)
    after = [number.get(n, n) for n in before.values()] if before.elements else []
    if before.elements and after != before.values():
        table.attach(slot, replace(Vector.of(after), alignment=before.alignment))


def _with_numbers(graph: Table, codes: Mapping[int, int], buffers: Mapping[int, int]) -> Table:
    graph = graph.copy()
    graph.attach(TENSORS, Tables([_with_number(t, BUFFER, buffers) for t in graph.tables(TENSORS)]))
    graph.attach(OPERATORS, Tables([_with_number(op, CODE, codes) for op in graph.tables(OPERATORS)]))
    return graph


def _with_number(table: Table, slot: int, number: Mapping[int, int]) -> Table:
    new = number[table.get(slot, "I")]
    if new != table.get(slot, "I"):
        table = table.copy()
        table.set(slot, "I", new)
    return table


def _with_maps(signature: Table, number: Mapping[int, int]) -> Table:
    if signature.get(4, "I") != 0:
        return signature
    signature = signature.copy()
    for slot in (0, 1):
        if signature.has(slot):
            signature.attach(slot, Tables([_with_number(entry, 1, number) for entry in signature.tables(slot)]))
    return signature
