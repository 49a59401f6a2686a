"""Writes a tree of flatbuffer tables (`tables.py`) as a .tflite."""

from __future__ import annotations

import struct

from tflm_mcunet.tflite.tables import PHASE, Node, Table, Tables, Vector, below

HEADER = 8
"""The offset of the root table and the identifier."""


def write(root: Table) -> bytes:
    """The bytes of a .tflite whose Model table is `root`; what several nodes refer to is written once."""
    writer = _Writer()
    order = _parents_first(root)
    for node in order:
        writer.place(node)
    for node in order:
        writer.link(node)
    struct.pack_into("<I4s", writer.data, 0, writer.position[id(root)], b"TFL3")
    return bytes(writer.data)


def _parents_first(root: Node) -> list[Node]:
    """All nodes, each after all that refer to it, since offsets only lead forward."""
    done: list[Node] = []
    seen: set[int] = set()

    def visit(node: Node) -> None:
        if id(node) not in seen:
            seen.add(id(node))
            for child in reversed(list(below(node))):
                visit(child)
            done.append(node)

    visit(root)
    return done[::-1]


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray(HEADER)
        self.position: dict[int, int] = {}
        self.maps: dict[bytes, int] = {}

    def pad(self, alignment: int, phase: int = 0) -> None:
        self.data += bytes((phase - len(self.data)) % alignment)

    def place(self, node: Node) -> None:
        if isinstance(node, Table):
            self.place_table(node)
        elif isinstance(node, Tables):
            self.pad(4)
            self.position[id(node)] = len(self.data)
            self.data += struct.pack("<I", len(node.items)) + bytes(4 * len(node.items))
        else:
            self.place_vector(node)

    def place_table(self, table: Table) -> None:
        map_ = struct.pack(f"<{2 + len(table.places)}H", 4 + 2 * len(table.places), len(table.inline), *table.places)
        if map_ not in self.maps:
            self.pad(2)
            self.maps[map_] = len(self.data)
            self.data += map_
        self.pad(PHASE, table.phase)
        start = self.position[id(table)] = len(self.data)
        self.data += table.inline
        struct.pack_into("<i", self.data, start, start - self.maps[map_])

    def place_vector(self, vector: Vector) -> None:
        self.pad(max(4, vector.alignment), -4)
        self.position[id(vector)] = len(self.data)
        self.data += struct.pack("<I", len(vector.elements) // vector.size) + vector.elements + bytes(vector.text)

    def link(self, node: Node) -> None:
        start = self.position[id(node)]
        if isinstance(node, Table):
            for slot, child in node.children.items():
                self.refer(start + node.places[slot], child)
        elif isinstance(node, Tables):
            for index, item in enumerate(node.items):
                self.refer(start + 4 + 4 * index, item)

    def refer(self, place: int, node: Node) -> None:
        struct.pack_into("<I", self.data, place, self.position[id(node)] - place)
