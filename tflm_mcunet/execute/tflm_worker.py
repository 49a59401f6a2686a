"""The process that holds TFLM's Python interpreter: pickled requests on stdin, pickled replies on stdout.

Run as a script by `tflm.py`, so that an abort inside TFLM ends this process and not the user's. Frames are
a little-endian uint32 length and a pickle. The first frame sent is None, or the reason why TFLM cannot be imported.
A request is (kind, model, samples); a reply is ("ok", value) or ("error", one-line message).
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import IO, Any

import numpy as np

# Pages that TFLM does not touch cost nothing, so one generous arena spares the search for the right size.
ARENA_BYTES = 256 << 20


def send(stream: IO[bytes], value: Any) -> None:
    """Writes `value` to `stream` as one frame."""
    payload = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(struct.pack("<I", len(payload)) + payload)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Returns the next frame of `stream`; raises EOFError where the other side has closed it."""
    header = stream.read(4)
    if len(header) < 4:
        raise EOFError
    payload = stream.read(struct.unpack("<I", header)[0])
    return pickle.loads(payload)


def _produced_tensors(model: bytes) -> list[int]:
    """Indices of the tensors of subgraph 0 that hold data after an inference: its inputs and every operator's outputs.

    Others are not asked for: TFLM crashes on a tensor that has no memory.
    """
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    subgraph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    indices = {subgraph.Inputs(i) for i in range(subgraph.InputsLength())}
    for i in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(i)
        indices.update(operator.Outputs(j) for j in range(operator.OutputsLength()))
    return sorted(index for index in indices if index >= 0)


def _count(model: bytes) -> tuple[int, int]:
    """The number of inputs and outputs of subgraph 0."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

    subgraph = schema.Model.GetRootAs(model, 0).Subgraphs(0)
    return subgraph.InputsLength(), subgraph.OutputsLength()


def _interpreter(model: bytes, *, intermediates: bool) -> Any:
    from tflite_micro import runtime

    config = runtime.InterpreterConfig
    return runtime.Interpreter.from_bytes(
        model,
        arena_size=ARENA_BYTES,
        intrepreter_config=config.kPreserveAllTensors if intermediates else config.kAllocationRecording,
    )


def _set_input(interpreter: Any, index: int, value: np.ndarray) -> None:
    """Copies `value` in; TFLM wants the exact type and shape, the shape is given here, the type is the caller's duty."""
    details = interpreter.get_input_details(index)
    dtype, shape = np.dtype(details["dtype"]), tuple(int(n) for n in details["shape"])
    if value.dtype != dtype or value.size != int(np.prod(shape)):
        given = f"{value.dtype}{list(value.shape)}"
        raise ValueError(f"input {index} is {dtype}{list(shape)}, the sample has {given}")
    interpreter.set_input(np.ascontiguousarray(value).reshape(shape), index)


def _run(model: bytes, samples: list[list[np.ndarray]], *, intermediates: bool) -> list[tuple[Any, Any]]:
    """(outputs, {tensor index: value}) per sample."""
    interpreter = _interpreter(model, intermediates=intermediates)
    inputs, outputs = _count(model)
    wanted = _produced_tensors(model) if intermediates else []
    results = []
    for sample in samples:
        if len(sample) != inputs:
            raise ValueError(f"the model has {inputs} inputs, the sample has {len(sample)}")
        for index, value in enumerate(sample):
            _set_input(interpreter, index, value)
        interpreter.invoke()
        results.append(
            (
                [np.asarray(interpreter.get_output(i)) for i in range(outputs)],
                {i: np.asarray(interpreter.GetTensor(i, 0)["tensor_data"]) for i in wanted},
            )
        )
    return results


def _allocations(model: bytes) -> None:
    """Prints TFLM's own account of its arena to stderr, after one inference on whatever the inputs hold."""
    interpreter = _interpreter(model, intermediates=False)
    interpreter.invoke()
    interpreter.print_allocations()


def _answer(kind: str, model: bytes, samples: list[list[np.ndarray]]) -> Any:
    if kind == "allocations":
        return _allocations(model)
    return _run(model, samples, intermediates=kind == "intermediates")


def main() -> None:
    """Serves requests until stdin is closed."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not fall between the frames
    try:
        from tflite_micro import runtime  # noqa: F401
    except ImportError as error:
        send(replies, str(error))
        return
    send(replies, None)
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        try:
            send(replies, ("ok", _answer(*request)))
        except Exception as error:  # a broken flatbuffer raises anything
            send(replies, ("error", f"{error}".splitlines()[0] if str(error) else type(error).__name__))


if __name__ == "__main__":
    main()
