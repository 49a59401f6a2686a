"""TensorFlow Lite Micro as the oracle: runs a .tflite model in TFLM's own interpreter, in a process of its own."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from tflm_mcunet.errors import Error
from tflm_mcunet.execute.tflm_worker import receive, send

_MISSING = "verify needs the TFLM interpreter: pip install 'tflm-mcunet[verify]'"
_STARTUP_SECONDS = 60.0


class TflmMissing(Error):
    """TFLM's Python interpreter is not installed."""


class TflmError(Error):
    """TFLM rejected, aborted on, or did not finish a model; the message ends with its last log line."""


@dataclass(frozen=True)
class TflmResult:
    """What TFLM computed for one sample.

    `outputs` are in the model's order, types and shapes. `tensors` maps the index of each tensor of subgraph 0 that
    is a model input or an operator's output to its value; it is empty unless intermediates were asked for.
    """

    outputs: list[np.ndarray]
    tensors: dict[int, np.ndarray] = field(default_factory=dict)


def available() -> bool:
    """Whether TFLM's Python interpreter is installed."""
    return importlib.util.find_spec("tflite_micro") is not None


class Tflm:
    """TFLM's interpreter in a worker process that outlives models, and is replaced when one of them kills it.

    Use it as a context manager and keep it for many models: starting it costs 0.2 s, a small model about 1 ms.

    Args:
        timeout: seconds that one call may take before the worker is killed and TflmError raised.

    Raises:
        TflmMissing: the `tflite_micro` package is not installed.
    """

    def __init__(self, timeout: float = 120.0) -> None:
        if not available():
            raise TflmMissing(_MISSING)
        self._timeout = timeout
        self._log: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by close)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the worker."""
        self._stop()
        self._log.close()

    def run(self, model: bytes, samples: Sequence[Sequence[np.ndarray]], *, intermediates: bool = False) -> list[TflmResult]:
        """Runs `model` on each sample, one after the other in one interpreter (variables keep their state).

        Args:
            model: the bytes of a .tflite file.
            samples: per sample one array per model input, of the model's own types; the shape may be any of the same size.
            intermediates: also return every tensor computed on the way.

        Raises:
            TflmError: TFLM cannot run the model, or an input does not fit.
        """
        kind = "intermediates" if intermediates else "outputs"
        results = self._call(kind, bytes(model), [[np.asarray(value) for value in sample] for sample in samples])
        return [TflmResult(outputs, tensors) for outputs, tensors in results]

    def arena_used_bytes(self, model: bytes) -> int:
        """Bytes of tensor arena that TFLM allocates for `model`, persistent structures included; raises TflmError."""
        self._call("allocations", bytes(model), [])
        log = self._log_text()
        found = re.search(r"Arena allocation total (\d+) bytes", log)
        if not found:
            raise TflmError("TFLM did not report its arena" + _last_line(log))
        return int(found[1])

    def _call(self, kind: str, model: bytes, samples: list[list[np.ndarray]]) -> Any:
        process = self._start()
        assert process.stdin is not None
        self._log.seek(0)  # the worker shares the position, and would leave a hole before its next line
        self._log.truncate(0)
        with suppress(BrokenPipeError):  # the worker is gone; _reply says why
            send(process.stdin, (kind, model, samples))
        status, value = self._reply(self._timeout)
        if status != "ok":
            raise TflmError(f"TFLM: {value}{_last_line(self._log_text())}")
        return value

    def _reply(self, seconds: float) -> Any:
        """The worker's next frame; raises TflmError, with the worker stopped, where it dies or takes too long."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds, expire)
        timer.start()
        try:
            return receive(process.stdout)
        except EOFError:
            code = process.wait()
            reason = f"took longer than {seconds:g} s" if expired.is_set() else _death(code)
            log = self._log_text()
            self._stop()
            raise TflmError(f"TFLM {reason}{_last_line(log)}") from None
        finally:
            timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            worker = Path(__file__).with_name("tflm_worker.py")
            self._process = subprocess.Popen(
                [sys.executable, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
            )
            problem = self._reply(_STARTUP_SECONDS)
            if problem:
                raise TflmMissing(f"{_MISSING} ({problem})")
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            with suppress(BrokenPipeError):  # a request was still buffered
                stream.close()

    def _log_text(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return f": {lines[-1]}" if lines else ""


def _death(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"
