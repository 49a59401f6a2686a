"""Runs generated C on this machine: as a shared library called in this process."""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from tflm_mcunet.execute.build import HOST_FLAGS, call, host_compiler
from tflm_mcunet.execute.generated import Generated, RunError, TensorType

_ROW_SOURCE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def build_library(sources: Iterable[Path], include_dirs: Iterable[Path] = (), flags: Sequence[str] = HOST_FLAGS) -> ctypes.CDLL:
    """Compiles `sources`, of one model or of many, in one call and loads the result.

    Args:
        sources: C files; the names of all public functions must differ (models have prefixes).
        include_dirs: folders for #include, beside that of each source.
        flags: options of the compiler, instead of HOST_FLAGS.

    Raises:
        BuildError: the compiler failed; the message holds its first diagnostic.
        ToolMissing: there is no compiler.
    """
    shared = ["-shared", "-fPIC"] + (["-Wl,-Bsymbolic"] if sys.platform == "linux" else [])
    includes = [f"-I{Path(folder).resolve()}" for folder in include_dirs]
    files = [Path(source).resolve() for source in sources]
    with tempfile.TemporaryDirectory(prefix="tflm_mcunet_") as folder:
        library = Path(folder) / "models.so"
        call([*host_compiler(), *flags, *shared, *includes, *files, "-o", library, "-lm"])
        return ctypes.CDLL(str(library))  # the loaded library outlives its file


def close_library(library: ctypes.CDLL) -> None:
    """Unloads `library`; every HostModel on it is dead afterwards."""
    import _ctypes

    _ctypes.dlclose(library._handle)


class HostModel:
    """A model inside a loaded library.

    Args:
        library: from build_library.
        prefix: the model's prefix, in lower case as in its functions' names.
        inputs, outputs: the types at its edges, in order.

    Raises:
        RunError: the library has no such model.
    """

    def __init__(self, library: ctypes.CDLL, prefix: str, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> None:
        self._library: ctypes.CDLL | None = None
        self._functions, self._prefix = library, prefix
        self._inputs, self._outputs = tuple(inputs), tuple(outputs)
        self._input, self._output = self._function("input", [ctypes.c_int]), self._function("output", [ctypes.c_int])

    @classmethod
    def compile(cls, model: Generated, flags: Sequence[str] = HOST_FLAGS) -> Self:
        """Builds a library of this one model; `close` unloads it. Raises BuildError, ToolMissing."""
        library = build_library(model.sources, [model.folder], flags)
        host = cls(library, model.prefix, model.inputs, model.outputs)
        host._library = library
        return host

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Unloads the library where this object has built it; others are their builder's."""
        library, self._library = self._library, None
        if library is not None:
            close_library(library)

    def set_arena(self, arena: np.ndarray) -> None:
        """Hands over the arena of a model that was built with PREFIX_EXTERNAL_ARENA; the caller keeps it alive."""
        function = self._function("set_arena", [ctypes.c_void_p])
        function.restype = None
        function(arena.ctypes.data)

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One inference on arrays of the inputs' types; raises RunError where they do not fit or invoke fails."""
        invoke = self._function("invoke", [])
        invoke.restype = ctypes.c_int
        self._check_count(inputs)
        self._fill(inputs, first=0)
        status = invoke()
        if status != 0:
            raise RunError(f"{self._prefix}_invoke returned {status}")
        return self._read()

    def run_rows(self, inputs: Sequence[np.ndarray], *, elsewhere: bool = False, abort_at: int | None = None) -> list[np.ndarray]:
        """One inference that pulls the rows of input 0.

        Args:
            inputs: as for `run`; input 0 is handed out by row.
            elsewhere: return each row in memory of this side, overwritten at the next call, instead of in the buffer.
            abort_at: return NULL for this row.

        Raises:
            RunError: rows were not asked for in order, once each; or invoke failed, as it must after an abort.
        """
        invoke = self._function("invoke_rows", [_ROW_SOURCE, ctypes.c_void_p])
        invoke.restype = ctypes.c_int
        self._check_count(inputs)
        self._fill(inputs, first=1)
        kind = self._inputs[0]
        source = _RowSource(kind.to_bytes(inputs[0], "input 0"), kind.rows, elsewhere=elsewhere, abort_at=abort_at)
        callback = _ROW_SOURCE(source)
        status = invoke(callback, _RowSource.CONTEXT)
        source.check(complete=status == 0)
        if status != 0:
            raise RunError(f"{self._prefix}_invoke_rows returned {status}")
        return self._read()

    def _function(self, name: str, arguments: list[type]) -> ctypes._NamedFuncPointer:
        try:
            function = getattr(self._functions, f"{self._prefix}_{name}")
        except AttributeError:
            raise RunError(f"the compiled code has no function {self._prefix}_{name}") from None
        function.argtypes, function.restype = arguments, ctypes.c_void_p
        return function

    def _check_count(self, inputs: Sequence[np.ndarray]) -> None:
        if len(inputs) != len(self._inputs):
            raise RunError(f"the model has {len(self._inputs)} inputs, the sample has {len(inputs)}")

    def _fill(self, inputs: Sequence[np.ndarray], *, first: int) -> None:
        for index in range(first, len(inputs)):
            data = self._inputs[index].to_bytes(inputs[index], f"input {index}")
            ctypes.memmove(self._address(self._input, index, "input"), data, len(data))

    def _read(self) -> list[np.ndarray]:
        return [
            kind.from_bytes(ctypes.string_at(self._address(self._output, index, "output"), kind.nbytes))
            for index, kind in enumerate(self._outputs)
        ]

    def _address(self, function: ctypes._NamedFuncPointer, index: int, name: str) -> int:
        address = function(index)
        if address is None:
            raise RunError(f"{self._prefix}_{name}({index}) returned NULL")
        return int(address)


class _RowSource:
    """A prefix_row_source in Python: hands out the rows of an image and notes what was asked."""

    CONTEXT = 0x5EED

    def __init__(self, image: bytes, rows: int, *, elsewhere: bool, abort_at: int | None) -> None:
        self._image, self._rows, self._abort_at = image, rows, abort_at
        self._row_bytes = len(image) // rows
        self._own = ctypes.create_string_buffer(self._row_bytes) if elsewhere else None
        self._next = 0
        self._problem = ""

    def __call__(self, context: int | None, row: int, buffer: int | None) -> int | None:
        if context != self.CONTEXT:
            self._problem = "the row source was not given its context"
        elif row != self._next or row >= self._rows:
            self._problem = f"row {row} of {self._rows} was asked for, row {self._next} was due"
        if self._problem or row == self._abort_at:
            return None
        self._next += 1
        target = ctypes.addressof(self._own) if self._own is not None else buffer
        if target is None:
            self._problem = f"no buffer was given for row {row}"
            return None
        ctypes.memmove(target, self._image[row * self._row_bytes : (row + 1) * self._row_bytes], self._row_bytes)
        return target

    def check(self, *, complete: bool) -> None:
        """Raises RunError for what went wrong, and, with `complete`, where rows were left."""
        if not self._problem and complete and self._next != self._rows:
            self._problem = f"only {self._next} of {self._rows} rows were asked for"
        if self._problem:
            raise RunError(self._problem)
