"""What a rewriting must leave as it was, read with the schema's own code: everything but the regions, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.networks.expose import unpack
from tests.rewrite.test_tables import plain

PLACES = b"OfflineMemoryAllocation"
CUSTOM = 32


def assert_rest_is_untouched(before: bytes, after: bytes, regions: Sequence[tuple[int, int]]) -> None:
    """Operators outside of the regions with their tensors and buffers, edges, signatures, metadata and other subgraphs."""
    old, new = unpack(before), unpack(after)
    assert (new.version, new.description) == (old.version, old.description)
    assert len(new.subgraphs) == len(old.subgraphs)
    old_graph, new_graph = old.subgraphs[0], new.subgraphs[0]
    assert new_graph.name == old_graph.name
    inside = {index for first, last in regions for index in range(first, last)}
    kept = [op for index, op in enumerate(old_graph.operators) if index not in inside]
    others = [op for op in new_graph.operators if not _is_stage(new, op)]
    assert [_operator(new, new_graph, op) for op in others] == [_operator(old, old_graph, op) for op in kept]
    for side in ("inputs", "outputs"):
        numbers = zip(getattr(new_graph, side), getattr(old_graph, side), strict=True)
        assert all(_tensor(new, new_graph, a) == _tensor(old, old_graph, b) for a, b in numbers)
    assert _signatures(new) == _signatures(old)
    assert _metadata(new) == _metadata(old)
    for number in range(1, len(old.subgraphs)):
        a, b = new.subgraphs[number], old.subgraphs[number]
        assert [_operator(new, a, op) for op in a.operators] == [_operator(old, b, op) for op in b.operators]
        assert [_tensor(new, a, i) for i in range(len(a.tensors))] == [_tensor(old, b, i) for i in range(len(b.tensors))]


def stages(model: bytes) -> list[Any]:
    """The operators that stand for regions."""
    tree = unpack(model)
    return [op for op in tree.subgraphs[0].operators if _is_stage(tree, op)]


def _is_stage(tree: Any, op: Any) -> bool:
    code = tree.operatorCodes[op.opcodeIndex]
    return code.builtinCode == CUSTOM and code.customCode.startswith(b"TFLM_MCUNET_STAGE_")


def _operator(tree: Any, graph: Any, op: Any) -> Any:
    fields = {key: plain(value) for key, value in vars(op).items() if key not in ("opcodeIndex", "inputs", "outputs")}
    tensors = [_tensor(tree, graph, index) for side in (op.inputs, op.outputs) for index in side]
    return plain(tree.operatorCodes[op.opcodeIndex]), fields, tensors


def _tensor(tree: Any, graph: Any, index: int) -> Any:
    if index < 0:
        return None
    tensor = graph.tensors[index]
    fields = {key: plain(value) for key, value in vars(tensor).items() if key != "buffer"}
    return fields, plain(tree.buffers[tensor.buffer])


def _signatures(tree: Any) -> Any:
    graph = tree.subgraphs[0]
    return [
        (s.signatureKey, [(m.name, _tensor(tree, graph, m.tensorIndex)) for side in (s.inputs, s.outputs) for m in side])
        for s in tree.signatureDefs or []
    ]


def _metadata(tree: Any) -> Any:
    return [(entry.name, plain(tree.buffers[entry.buffer])) for entry in tree.metadata or [] if entry.name != PLACES]
