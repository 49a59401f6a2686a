"""What `compile` returns: a model as C that can be run, verified, measured, reported and written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_mcunet.compiler import Program
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array
from tflm_mcunet.report.model import report, to_json

if TYPE_CHECKING:
    from tflm_mcunet.evaluate import Evaluation
    from tflm_mcunet.execute.generated import Generated
    from tflm_mcunet.execute.qemu import Execution
    from tflm_mcunet.report.analysis import Analysis
    from tflm_mcunet.verify import Verification


class Compiled:
    """A compiled model.

    Attributes:
        model: the bytes of the .tflite.
        program: the graph, its schedule and plan, and the C.
    """

    def __init__(self, model: bytes, program: Program) -> None:
        self.model = model
        self.program = program

    @property
    def pulled(self) -> bool:
        """Whether the application is asked for the rows of input 0."""
        return self.program.options.input == "pull"

    @cached_property
    def report(self) -> dict[str, Any]:
        """The content of report.json."""
        return report(self.program)

    @property
    def files(self) -> dict[str, str]:
        """All files by name."""
        return {**self.program.emission.files, "report.json": to_json(self.report)}

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """What `write` writes, by path: the files and those that extras ask for, or the project of `--export` around them."""
        from tflm_mcunet.export import companion_files, export

        return export(self, {**self.files, **companion_files(self)})

    def run(self, *inputs: Array) -> list[Array]:
        """The outputs for one array per model input, computed by the generated C on this machine.

        Each array has the shape and dtype of its input (with `io="int8"` those of the int8 edge).

        Raises:
            Error: there is no C compiler, or an input does not fit.
        """
        from tflm_mcunet.execute.host import HostModel

        with self.generated() as folder, HostModel.compile(folder) as model:
            return model.run_rows(inputs) if self.pulled else model.run(inputs)

    def verify(self, *, on: str = "host", samples: int = 10, inputs: Sequence[Sequence[Array]] | None = None) -> Verification:
        """Compares with TFLM, byte for byte, on random samples or on `inputs` (per sample one array per model input).

        Raises:
            Error: the `[verify]` extra or a tool is missing, or TFLM refuses the model.
        """
        from tflm_mcunet.verify import verify

        return verify(self, on=on, samples=samples, inputs=inputs)

    def bench(self, *, on: str = "cortex-m7", sample: Sequence[Array] | None = None, profile: bool = False) -> Execution:
        """Runs one inference on an emulated core: executed instructions, stack and sizes.

        `sample` has one array per model input, random ones by default; `profile` counts by operator too. The C is compiled with
        -O2, or with -Os where flash is minimised.

        Raises:
            Error: a tool is missing, or the model does not fit the emulated machine.
        """
        from tflm_mcunet.execute.image import FLAGS, SMALL
        from tflm_mcunet.execute.qemu import run_on
        from tflm_mcunet.verify import random_samples

        flags = SMALL if self.program.options.minimize == "flash" else FLAGS
        with self.generated() as folder:
            events = [event.operator for event in self.program.schedule.events] if profile else None
            samples = [sample] if sample is not None else random_samples(self.program, 1)
            return run_on(on, folder, samples, events=events, flags=flags)

    def evaluate(self, data: str, **more: Any) -> Evaluation:
        """How often the generated C is right on labelled data, and whether TFLM agrees: see `tflm_mcunet.evaluate.evaluate`."""
        from tflm_mcunet.evaluate import evaluate

        return evaluate(self, data, **more)

    def analyze(self, *, on: str | None = None) -> Analysis:
        """SRAM over time, other schedules, the front of SRAM against work, and the rest of what `analyze --html` shows.

        `on` is an emulated core on which one inference is measured too.

        Raises:
            Error: a tool to measure with is missing.
        """
        from tflm_mcunet.report.analysis import Analysis, analyze

        return Analysis(analyze(self.model, self.program.source.name, self.program.options, on=on))

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and SRAM over time."""
        from tflm_mcunet.report.page import embedded, small_page
        from tflm_mcunet.report.timeline import timeline

        return embedded(small_page(self.report, timeline(self.program.planned, self.program.options, "chosen")), 620)

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Writes all files into `folder`, made where it does not exist; when this fails nothing half-written stays.

        Raises:
            Error: the folder cannot be written.
        """
        write_folder(folder, self.contents)

    @contextmanager
    def generated(self) -> Iterator[Generated]:
        """The files in a temporary folder, as the runners of `execute` take them."""
        from tflm_mcunet.execute.generated import Generated, tensor_type

        folder = Path(tempfile.mkdtemp(prefix="tflm_mcunet_"))
        try:
            _fill(folder / "model", {name: text.encode() for name, text in self.files.items()})
            graph = self.program.graph
            inputs, outputs = ([tensor_type(t.dtype, t.shape) for t in edge] for edge in (graph.inputs, graph.outputs))
            yield Generated(folder / "model", self.program.prefix, tuple(inputs), tuple(outputs), self.pulled)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def write_folder(folder: str | os.PathLike[str], contents: dict[str, bytes]) -> None:
    """Writes files by path into `folder`, all of them or none; raises Error where it cannot be written."""
    if not os.fspath(folder):
        raise Error("cannot write: the name of the folder is empty")
    target = Path(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as staging:
            staged = Path(staging) / "out"
            _fill(staged, contents)
            if target.exists():
                for name in contents:
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(staged / name, target / name)
            else:
                os.replace(staged, target)
    except OSError as error:
        raise Error(f"cannot write {target}: {error.strerror or error}") from error


def _fill(folder: Path, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
