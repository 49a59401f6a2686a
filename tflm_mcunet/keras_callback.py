"""The callback of `tflm_mcunet.cost_callback`: a class for each Keras that is loaded, as both have bases of their own."""

from __future__ import annotations

import sys
from typing import Any

from tflm_mcunet.errors import Error
from tflm_mcunet.keras import Budget, Cost, cost_of
from tflm_mcunet.keras_graph import keras_graph


def make(budget: Budget, folder: str | None, stop: bool) -> Any:
    """A callback that suits the models of every Keras that is loaded."""
    bases = tuple(sys.modules[name].callbacks.Callback for name in ("keras", "tf_keras") if name in sys.modules)
    if not bases:
        raise Error("cost_callback needs Keras: import keras or tf_keras first")
    return type("CostCallback", (CostCallback, *bases), {})(budget, folder, stop)


class CostCallback:
    """Prices the model when its training begins; `cost` is what was found."""

    def __init__(self, budget: Budget, folder: str | None, stop: bool) -> None:
        super().__init__()
        self.budget, self.folder, self.stop = budget, folder, stop
        self.cost: Cost | None = None
        self._trained: Any = None

    def set_model(self, model: Any) -> None:
        self._trained = model

    def on_train_begin(self, logs: Any = None) -> None:
        self.cost = cost_of(keras_graph(self._trained)[0], self.budget.options)
        if self.folder is not None:
            _write(self.folder, self._figures)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.stop and self._figures["over_budget"]:
            self._trained.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs.update(self._figures)

    @property
    def _figures(self) -> dict[str, int]:
        assert self.cost is not None
        figures = {name: getattr(self.cost, name) for name in ("sram", "flash", "instructions", "macs")}
        return {**figures, "over_budget": int(self.budget.passed(self.cost))}


def _write(folder: str, figures: dict[str, int]) -> None:
    """Scalars for TensorBoard."""
    import tensorflow as tf

    with tf.summary.create_file_writer(folder).as_default(step=0):
        for name, value in figures.items():
            tf.summary.scalar(f"cost/{name}", value)
