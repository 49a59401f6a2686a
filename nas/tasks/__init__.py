"""What networks are trained for. A task knows its loss, its score and the C that goes with the network."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from tflm_mcunet.errors import Error

if TYPE_CHECKING:
    import tf_keras

    from nas.data.augment import Augmentation
    from nas.data.dataset import Dataset
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.graph import Array


class Task(Protocol):
    """A task.

    Attributes:
        name: as in `--task`.
    """

    name: str

    def prepare(self, data: Dataset) -> Dataset:
        """The data as this task labels it; raises DataError where it does not suit the task."""

    def check(self, model: tf_keras.Model, data: Dataset) -> None:
        """Raises Error where the model's edges do not fit the data."""

    def trainer(self, model: tf_keras.Model) -> tf_keras.Model:
        """The model, or one around it that takes the loss."""

    def compile(self, model: tf_keras.Model, data: Dataset, optimizer: tf_keras.optimizers.Optimizer) -> None:
        """Sets loss and metrics of what `trainer` gave."""

    def augmentation(self, data: Dataset) -> Augmentation | None:
        """How training samples are varied."""

    def score(self, outputs: list[Array], data: Dataset) -> dict[str, float]:
        """How good the model's outputs, batch first, for the test samples are."""

    def companions(self, compiled: Compiled, data: Dataset) -> dict[str, str]:
        """C files, by name, that turn what a sensor gives into the network's input, or its output into answers."""


_TASKS = {"classification": "Classification", "keywords": "Keywords", "vww": "VisualWakeWords", "detection": "Detection"}


def task(name: str) -> Task:
    """The task of this name; raises Error for any other."""
    if name not in _TASKS:
        raise Error(f"--task {name}: choose one of {', '.join(_TASKS)}")
    make: Callable[[], Task] = getattr(import_module(f"nas.tasks.{name}"), _TASKS[name])
    return make()
