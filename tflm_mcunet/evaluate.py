"""Runs labelled data through the generated code on all cores of this machine, and a share of it through TFLM."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tflm_mcunet import labelled
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.errors import Error
from tflm_mcunet.execute import tflm
from tflm_mcunet.execute.generated import Generated
from tflm_mcunet.execute.host import HostModel
from tflm_mcunet.graph import Array
from tflm_mcunet.verify import Sample, source_outputs, source_sample

HOST_FLAGS = ("-std=c99", "-O3")
BATCH = 64
TFLM_SAMPLES = 300
"""Samples that TFLM's reference kernels compute by default; they take five times as long as the generated code."""

Progress = Callable[[int, int], None]
"""Is told how many samples of how many are done."""


class EvaluationError(Error):
    """The model cannot be evaluated with this data."""


@dataclass(frozen=True)
class Agreement:
    """The samples that TFLM computed too, their bytes, and how many of these differ."""

    samples: int
    bytes: int
    differing: int


@dataclass(frozen=True)
class Evaluation:
    """How often the generated code is right.

    Attributes:
        samples: how many were run.
        correct: how many were right.
        accuracy: `correct` divided by `samples`.
        classes: their names.
        confusion: numbers of samples: a row per class that they are of, a column per class that the model says.
        tflm: how far TFLM agrees; no samples where it was not asked.
    """

    samples: int
    correct: int
    accuracy: float
    classes: tuple[str, ...]
    confusion: list[list[int]]
    tflm: Agreement

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "classes": list(self.classes)}

    def _repr_html_(self) -> str:
        from tflm_mcunet.report.page import embedded, evaluation

        return embedded(evaluation(self.as_dict()), 480)


def evaluate(
    compiled: Compiled,
    data: str,
    *,
    array: str | None = None,
    pixels: str = "auto",
    limit: int | None = None,
    tflm_samples: int = TFLM_SAMPLES,
    progress: Progress = lambda done, all_: None,
) -> Evaluation:
    """Evaluates a classifier with one input and one output.

    Args:
        data: an .npz or a folder of pictures: see `labelled.load`.
        array: the name of the samples in the .npz, where it is not a usual one.
        pixels: what pixels stand for: see `labelled.samples`.
        limit: so many samples, evenly spread, instead of all.
        tflm_samples: so many of them through TFLM too, evenly spread; 0 for none.

    Raises:
        EvaluationError: the model has several inputs or outputs, or fewer outputs than there are classes.
        Error: the data cannot be read or does not fit, or a compiler or the `[verify]` extra is missing.
    """
    program = compiled.program
    if len(program.graph.inputs) != 1 or len(program.graph.outputs) != 1:
        raise EvaluationError("evaluate takes models with one input and one output")
    tensor = program.graph.inputs[0]
    found = labelled.load(data, tensor, array)
    if len(found.classes) > program.graph.outputs[0].elements:
        raise EvaluationError(f"{data} has {len(found.classes)} classes, the model {program.graph.outputs[0].elements} outputs")
    chosen = _spread(len(found.labels), limit)
    found = replace(found, samples=found.samples[chosen], labels=found.labels[chosen])
    samples = labelled.samples(found, tensor, labelled.quantised_input(program.graph), pixels)
    with ThreadPoolExecutor(1) as beside:
        also = _spread(len(samples), tflm_samples)
        reference = beside.submit(_tflm, compiled, [samples[index] for index in also])
        outputs = _host(compiled, samples, progress)
        agreement = _agreement(compiled, [outputs[index] for index in also], reference.result())
    return _evaluation(found, np.array([int(np.argmax(output)) for output in outputs]), agreement)


def _spread(count: int, wanted: int | None) -> Array:
    """`wanted` of `count` indices, evenly spread."""
    return np.arange(count) if wanted is None or wanted >= count else np.arange(wanted) * count // max(wanted, 1)


def _evaluation(found: labelled.Labelled, said: Array, agreement: Agreement) -> Evaluation:
    classes = found.classes + tuple(map(str, range(len(found.classes), int(said.max()) + 1)))
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (found.labels, said), 1)
    correct = int(np.trace(confusion))
    return Evaluation(len(said), correct, correct / len(said), classes, confusion.tolist(), agreement)


# ---- the generated code, a process per core ----

_model: HostModel


def _host(compiled: Compiled, samples: Sequence[Sample], progress: Progress) -> list[Array]:
    """The output of every sample."""
    batches = [samples[first : first + BATCH] for first in range(0, len(samples), BATCH)]
    outputs: list[Array] = []
    with compiled.generated() as folder, ProcessPoolExecutor(os.cpu_count(), initializer=_start, initargs=(folder,)) as pool:
        for batch in pool.map(_run, batches, [folder.pull] * len(batches)):
            outputs += batch
            progress(len(outputs), len(samples))
    return outputs


def _start(folder: Generated) -> None:
    global _model
    _model = HostModel.compile(folder, HOST_FLAGS)


def _run(batch: Sequence[Sample], pull: bool) -> list[Array]:
    run = _model.run_rows if pull else _model.run
    return [run(sample)[0] for sample in batch]


# ---- TFLM ----


def _tflm(compiled: Compiled, samples: Sequence[Sample]) -> list[Array]:
    if not samples:
        return []
    with tflm.Tflm(timeout=3600) as oracle:
        inputs = [source_sample(compiled.program, sample) for sample in samples]
        return [result.outputs[0] for result in oracle.run(compiled.model, inputs)]


def _agreement(compiled: Compiled, ours: Sequence[Array], theirs: Sequence[Array]) -> Agreement:
    differing = total = 0
    for mine, reference in zip(ours, theirs, strict=True):
        (value,) = source_outputs(compiled.program, [mine])
        unequal = np.frombuffer(value.tobytes(), np.uint8) != np.frombuffer(reference.tobytes(), np.uint8)
        total += unequal.size
        differing += int(unequal.sum())
    return Agreement(len(ours), total, differing)
