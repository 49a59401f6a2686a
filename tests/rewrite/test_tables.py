"""The tree of tables: a file that is read and written again holds the same, and the schema knows every reference."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from tests.models import small_network
from tests.networks.expose import unpack
from tflm_mcunet.errors import Error
from tflm_mcunet.tflite.tables import OPTIONS, SCHEMA, Of, Scalars, Union, layout, parse
from tflm_mcunet.tflite.writer import write

MODELS = sorted((Path(__file__).resolve().parents[3] / "shared" / "models").glob("*.tflite"))


def plain(value: Any) -> Any:
    """An object tree of the schema as nested dictionaries."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tobytes()
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {key: plain(item) for key, item in vars(value).items()} if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("model", [small_network(), small_network(float_edges=True)], ids=["int8", "float"])
def test_written_again(model: bytes) -> None:
    again = write(parse(model))
    assert plain(unpack(again)) == plain(unpack(model))
    assert write(parse(again)) == again


@pytest.mark.skipif(not MODELS, reason="there is no ../shared/models")
def test_published_models_written_again() -> None:
    for file in MODELS:
        model = file.read_bytes()
        again = write(parse(model))
        assert plain(unpack(again)) == plain(unpack(model)), file.name
        assert len(again) < len(model) + 16 * len(unpack(model).subgraphs[0].tensors) + 1000


def test_weights_stay_aligned() -> None:
    again = write(parse(small_network()))
    for buffer in unpack(small_network()).buffers:
        if buffer.data is not None and len(buffer.data) > 8:
            assert again.index(buffer.data.tobytes()) % 16 == 0


DEPRECATED = {"SignatureDef": {3}}
"""Slots for which the schema's compiler makes no code any more."""

REFUSED = {"Model": 2, "Tensor": 1, "Operator": 5, "Buffer": 2}
"""How many slots at the end of a table are refused: options of StableHLO's operators, and data outside the file."""

REFUSED_VECTORS = {"Model": 2}


class Builder:
    """Stands where generated code expects a builder, and notes the slots that hold offsets and the sizes of elements."""

    def __init__(self) -> None:
        self.slots = 0
        self.offsets: list[int] = []
        self.vector: tuple[int, int] | None = None

    def __getattr__(self, name: str) -> Any:
        def note(*values: Any) -> int:
            if name == "StartObject":
                self.slots = values[0]
            if name == "StartVector":
                self.vector = values[0], values[2]
            if name == "PrependUOffsetTRelativeSlot":
                self.offsets.append(values[0])
            return 0

        return note


@pytest.mark.parametrize("name", [*SCHEMA, *OPTIONS.values()])
def test_schema_is_that_of_the_library(name: str) -> None:
    """Which slots hold offsets, as in the code that the schema's own compiler made."""
    builder, known = Builder(), layout(name)
    getattr(schema, f"{name}Start")(builder)
    assert known.slots == builder.slots - REFUSED.get(name, 0)
    for function in (f for key, f in vars(schema).items() if key.startswith(f"{name}Add")):
        function(builder, 0)
    offsets = {slot for slot in builder.offsets if slot < known.slots}
    assert offsets == set(known.references) - DEPRECATED.get(name, set())
    vectors = []
    for function in (f for key, f in vars(schema).items() if key.startswith(f"{name}Start") and key.endswith("Vector")):
        function(builder, 1)
        vectors.append(builder.vector[0] if builder.vector else 0)
    ours = [k.size if isinstance(k, Scalars) else 4 for k in known.references.values() if not _single(k)]
    assert sorted(ours) == sorted(vectors)[: len(vectors) - REFUSED_VECTORS.get(name, 0)]


def _single(kind: Scalars | Of | Union) -> bool:
    return isinstance(kind, Union) or (isinstance(kind, Of) and not kind.many) or (isinstance(kind, Scalars) and kind.text)


def test_overlapping_tables_are_refused() -> None:
    """Many tables, each of which claims most of the file, would fill the memory."""
    vtable = struct.pack("<HH", 4, 60_000)
    count = 400
    subgraphs = struct.pack("<I", count)
    head = struct.pack("<I4s", 16, b"TFL3") + struct.pack("<HHHHHHH", 14, 8, 0, 0, 4, 0, 0)[:8]
    model = bytearray(head)
    model += struct.pack("<iI", 8, 4)  # the Model table: its vtable 8 bytes before it, and the vector of subgraphs
    begin = len(model) + 4 + 4 * count + 8
    places = [begin + 4 * index - (len(model) + 4 + 4 * index) for index in range(count)]
    model += subgraphs + struct.pack(f"<{count}I", *places) + vtable.ljust(8, b"\0")
    for index in range(count):
        model += struct.pack("<i", begin + 4 * index - (begin - 8))
    model += bytes(60_000)
    struct.pack_into("<HHHH", model, 8, 10, 8, 0, 0)
    with pytest.raises(Error, match="damaged"):
        parse(bytes(model))


def test_unknown_fields_are_refused() -> None:
    """A field of a newer schema could refer to something that would be lost."""
    root = parse(small_network())
    root.set(SCHEMA["Model"].slots, "I", 5)
    with pytest.raises(Error, match=r"field 8 of a table Model is not known here"):
        parse(write(root))
