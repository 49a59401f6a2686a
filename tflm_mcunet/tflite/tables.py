"""A .tflite as a tree of flatbuffer tables that can be edited: what is not edited keeps its bytes.

Only the fields that refer to something else are known by name (`SCHEMA`); everything else in a table is copied as it is.
A field that this schema does not know could be such a reference and is refused. Nothing in the file is trusted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import tflite

from tflm_mcunet.tflite.reader import MalformedModel

PHASE = 8
"""Fields are aligned by the address of their table, which keeps its place modulo this."""

BUFFER_ALIGNMENT = 16
"""What the schema forces on the data of buffers."""


# ---- nodes ----


@dataclass
class Table:
    """A table: the place of each slot in `inline` (0 where it is absent), its bytes as in the file, and what slots refer to."""

    places: list[int] = field(default_factory=list)
    inline: bytearray = field(default_factory=lambda: bytearray(4))
    phase: int = 0
    children: dict[int, Node] = field(default_factory=dict)

    def copy(self) -> Table:
        """A table of its own whose children are shared."""
        return Table([*self.places], bytearray(self.inline), self.phase, dict(self.children))

    def has(self, slot: int) -> bool:
        """Whether the field is there."""
        return slot < len(self.places) and self.places[slot] != 0

    def get(self, slot: int, code: str, default: int = 0) -> int:
        """A scalar, by its struct code."""
        if not self.has(slot):
            return default
        if self.places[slot] + struct.calcsize(code) > len(self.inline):
            raise MalformedModel("the .tflite file is damaged: a field ends past its table")
        return int(struct.unpack_from(f"<{code}", self.inline, self.places[slot])[0])

    def set(self, slot: int, code: str, value: int) -> None:
        """Changes a scalar where it differs; a field that is absent holds 0."""
        if self.get(slot, code) != value:
            self._reserve(slot, struct.calcsize(code))
            struct.pack_into(f"<{code}", self.inline, self.places[slot], value)

    def attach(self, slot: int, child: Node) -> None:
        """Lets a field refer to `child`."""
        self._reserve(slot, 4)
        self.children[slot] = child

    def vector(self, slot: int) -> Vector:
        """The vector in a slot; an empty one where there is none."""
        child = self.children.get(slot, Vector())
        assert isinstance(child, Vector)
        return child

    def tables(self, slot: int) -> list[Table]:
        """The tables in a slot; none where it is absent."""
        child = self.children.get(slot, Tables())
        assert isinstance(child, Tables)
        return child.items

    def text(self, slot: int) -> str:
        """A string; empty where there is none."""
        return self.vector(slot).elements.decode("utf-8", "replace")

    def _reserve(self, slot: int, size: int) -> None:
        if self.has(slot):
            return
        self.places += [0] * (slot + 1 - len(self.places))
        self.inline += bytes(-(self.phase + len(self.inline)) % size)
        self.places[slot] = len(self.inline)
        self.inline += bytes(size)


@dataclass(frozen=True)
class Vector:
    """A vector of scalars as its bytes, or a string, which a zero byte follows."""

    elements: bytes = b""
    size: int = 1
    alignment: int = 1
    text: bool = False

    @classmethod
    def of(cls, values: Sequence[int], code: str = "i") -> Vector:
        """A vector of these values, by their struct code."""
        size = struct.calcsize(code)
        return cls(struct.pack(f"<{len(values)}{code}", *values), size, size)

    @classmethod
    def string(cls, text: str) -> Vector:
        """A string."""
        return cls(text.encode(), text=True)

    def values(self, code: str = "i") -> list[int]:
        """Its elements, by their struct code."""
        return list(struct.unpack(f"<{len(self.elements) // self.size}{code}", self.elements))


@dataclass(frozen=True)
class Tables:
    """A vector of tables."""

    items: list[Table] = field(default_factory=list)


Node = Table | Vector | Tables


# ---- the schema: where references are ----


@dataclass(frozen=True)
class Scalars:
    """A vector of scalars of `size` bytes, or a string."""

    size: int = 1
    alignment: int = 1
    text: bool = False


@dataclass(frozen=True)
class Of:
    """A table, or a vector of them."""

    name: str
    many: bool = False


@dataclass(frozen=True)
class Union:
    """A table whose name depends on the number in another slot."""

    selector: int
    names: Mapping[int, str]


@dataclass(frozen=True)
class Layout:
    """How many slots a table has, and those among them that refer to something."""

    slots: int
    references: Mapping[int, Scalars | Of | Union] = field(default_factory=dict)


STRING = Scalars(text=True)
WORDS = Scalars(4, 4)
OPTIONS = {number: name for name, number in vars(tflite.BuiltinOptions).items() if not name.startswith("_") and number}
INDEX_VECTORS = {1: "Int32Vector", 2: "Uint16Vector", 3: "Uint8Vector"}

SCHEMA: dict[str, Layout] = {
    "Model": Layout(8, {1: Of("OperatorCode", True), 2: Of("SubGraph", True), 3: STRING, 4: Of("Buffer", True), 5: WORDS,
                        6: Of("Metadata", True), 7: Of("SignatureDef", True)}),
    "OperatorCode": Layout(4, {1: STRING}),
    "SubGraph": Layout(6, {0: Of("Tensor", True), 1: WORDS, 2: WORDS, 3: Of("Operator", True), 4: STRING}),
    "Tensor": Layout(10, {0: WORDS, 3: STRING, 4: Of("QuantizationParameters"), 6: Of("SparsityParameters"), 7: WORDS,
                          9: Of("VariantSubType", True)}),
    "QuantizationParameters": Layout(7, {0: WORDS, 1: WORDS, 2: WORDS, 3: Scalars(8, 8),
                                         5: Union(4, {1: "CustomQuantization"})}),
    "CustomQuantization": Layout(1, {0: Scalars(1, BUFFER_ALIGNMENT)}),
    "SparsityParameters": Layout(3, {0: WORDS, 1: WORDS, 2: Of("DimensionMetadata", True)}),
    "DimensionMetadata": Layout(6, {3: Union(2, INDEX_VECTORS), 5: Union(4, INDEX_VECTORS)}),
    "Int32Vector": Layout(1, {0: WORDS}),
    "Uint16Vector": Layout(1, {0: Scalars(2, 4)}),
    "Uint8Vector": Layout(1, {0: Scalars(1, 4)}),
    "VariantSubType": Layout(3, {0: WORDS}),
    # Left out and so refused: options of StableHLO's operators, data outside the file, and quantisation that names tensors.
    "Operator": Layout(9, {1: WORDS, 2: WORDS, 4: Union(3, OPTIONS), 5: Scalars(), 7: Scalars(), 8: WORDS}),
    "Buffer": Layout(1, {0: Scalars(1, BUFFER_ALIGNMENT)}),
    "Metadata": Layout(2, {0: STRING}),
    "SignatureDef": Layout(5, {0: Of("TensorMap", True), 1: Of("TensorMap", True), 2: STRING, 3: STRING}),
    "TensorMap": Layout(2, {0: STRING}),
}  # fmt: skip
"""All tables but the options of operators, most of which refer to nothing."""

OPTION_REFERENCES: dict[str, dict[int, Scalars | Of | Union]] = {
    "ReshapeOptions": {0: WORDS},
    "SqueezeOptions": {0: WORDS},
    "BucketizeOptions": {0: WORDS},
    "VarHandleOptions": {0: STRING, 1: STRING},
    "ConcatEmbeddingsOptions": {1: WORDS, 2: WORDS},
    "FullyConnectedOptions": {5: Scalars()},
}

NEWER_SLOTS = {"FullyConnectedOptions": 6}
"""Tables that have more slots than in the oldest release of the library that is asked for."""


class _SlotCount:
    """Stands where generated code expects a builder, and notes for how many slots it asks."""

    slots = 0

    def StartObject(self, slots: int) -> None:  # noqa: N802 (the builder's name)
        self.slots = slots


@cache
def layout(name: str) -> Layout:
    """The layout of a table."""
    if name in SCHEMA:
        return SCHEMA[name]
    counter = _SlotCount()
    getattr(tflite, f"{name}Start")(counter)
    return Layout(max(counter.slots, NEWER_SLOTS.get(name, 0)), OPTION_REFERENCES.get(name, {}))


# ---- reading ----


def parse(model: bytes) -> Table:
    """The Model table of a .tflite and all below it.

    Raises:
        MalformedModel: it is damaged, or has fields that the schema does not know.
    """
    if len(model) < 8 or model[4:8] != b"TFL3":
        raise MalformedModel("not a .tflite file: the identifier TFL3 is missing")
    return _Parser(model).table(_Parser(model).follow(0), "Model")


class _Parser:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.known: dict[tuple[int, Any], Node] = {}
        self.copied = 0

    def copy(self, begin: int, end: int) -> bytes:
        """Bytes of the file; all of them together at most twice, so that overlapping tables do not fill the memory."""
        self.copied += end - begin
        if end > len(self.data) or self.copied > 2 * len(self.data):
            raise MalformedModel("the .tflite file is damaged: its tables overlap, or lead out of it")
        return self.data[begin:end]

    def number(self, code: str, position: int) -> int:
        if not 0 <= position <= len(self.data) - struct.calcsize(code):
            raise MalformedModel("the .tflite file is damaged: an offset leads out of it")
        return int(struct.unpack_from(f"<{code}", self.data, position)[0])

    def follow(self, position: int) -> int:
        return position + self.number("I", position)

    def table(self, position: int, name: str) -> Table:
        if (position, name) in self.known:
            return self.known[position, name]  # type: ignore[return-value]
        map_ = position - self.number("i", position)
        length, size = self.number("H", map_), self.number("H", map_ + 2)
        if length < 4 or length % 2 or size < 4:
            raise MalformedModel(f"the .tflite file is damaged: a table {name} makes no sense")
        places = [self.number("H", map_ + 4 + 2 * slot) for slot in range(length // 2 - 2)]
        for slot, place in enumerate(places):
            if place >= size or 0 < place < 4:
                raise MalformedModel(f"the .tflite file is damaged: field {slot} of a table {name} lies outside it")
            if place and slot >= layout(name).slots:
                raise MalformedModel(
                    f"field {slot} of a table {name} is not known here: a newer schema, or data outside the file"
                )
        result = Table(places, bytearray(self.copy(position, position + size)), position % PHASE)
        self.known[position, name] = result
        for slot, kind in layout(name).references.items():
            if result.has(slot):
                if places[slot] + 4 > size:
                    raise MalformedModel(f"the .tflite file is damaged: field {slot} of a table {name} lies outside it")
                result.children[slot] = self.node(self.follow(position + places[slot]), self.chosen(kind, result, name))
        return result

    @staticmethod
    def chosen(kind: Scalars | Of | Union, table: Table, name: str) -> Scalars | Of:
        if not isinstance(kind, Union):
            return kind
        number = table.get(kind.selector, "B")
        if number not in kind.names:
            raise MalformedModel(f"field {kind.selector} of a table {name}: {number} is not known here")
        return Of(kind.names[number])

    def node(self, position: int, kind: Scalars | Of) -> Node:
        if isinstance(kind, Of) and not kind.many:
            return self.table(position, kind.name)
        key = position, kind
        if key not in self.known:
            self.known[key] = self.vector(position, kind)
        return self.known[key]

    def vector(self, position: int, kind: Scalars | Of) -> Node:
        count, size = self.number("I", position), kind.size if isinstance(kind, Scalars) else 4
        begin, end = position + 4, position + 4 + count * size
        if end > len(self.data):
            raise MalformedModel(f"the .tflite file is damaged: a vector of {count} elements in {len(self.data)} bytes")
        if isinstance(kind, Scalars):
            return Vector(self.copy(begin, end), kind.size, kind.alignment, kind.text)
        return Tables([self.table(self.follow(place), kind.name) for place in range(begin, end, 4)])


def below(node: Node) -> Iterator[Node]:
    """What a node refers to directly."""
    if isinstance(node, Table):
        yield from node.children.values()
    elif isinstance(node, Tables):
        yield from node.items
