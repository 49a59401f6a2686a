"""The best network for data and a board: stage 2 of TinyNAS.

The largest network of the space is trained, its channels are sorted, and from it the supernet is trained (supernet.py).
Evolution then looks for the network that is most accurate with the weights it has there, among those whose plan stays within the
limits (evolution.py, plan.py). Every part goes on where it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import tf_keras

from nas import data, pricing, tasks
from nas.cut import cut
from nas.evolution import Assess, Candidate, Evolution, Found, Genes, Journal, Settings
from nas.plan import Planner
from nas.search_space import Judge
from nas.sorting import sort_channels
from nas.space import Space
from nas.supernet import SUBNETS, Supernet
from nas.train_loop import Phase, deterministic, fit
from nas.workers import workers
from patch_scheduler.architecture import Architecture
from tflm_mcunet import targets
from tflm_mcunet.errors import Error

if TYPE_CHECKING:
    from nas.data.augment import Augmentation
    from nas.data.dataset import Dataset

POOL = 1 << 14
"""Random networks from which the supernet's training draws, one after the other and then anew."""
RATE = 0.05
"""Learning rate for a batch of 256 samples."""
KEPT = 100
"""Networks that search.json lists."""


def _plain(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class Recipe:
    """How the supernet is trained and its networks are compared.

    Attributes:
        largest, supernet: epochs of the largest network, and of all together.
        batch: samples per step; the learning rate is in proportion.
        calibration: batches of 64 samples from which a network's statistics are measured before it is compared.
        samples: of the validation data, for comparing; None: all.
    """

    largest: int
    supernet: int
    batch: int = 128
    dropout: float = 0.0
    calibration: int = 20
    samples: int | None = None
    seed: int = 0

    def phases(self) -> tuple[Phase, Phase]:
        """The two trainings."""
        rate = RATE * self.batch / 256
        largest = Phase("largest", self.largest, self.batch, rate, optimizer="sgd", seed=self.seed)
        return largest, replace(largest, name="supernet", epochs=self.supernet, seed=self.seed + 1)


def train_supernet(
    space: Space, data: Dataset, recipe: Recipe, folder: Path, augmentation: Augmentation | None = None, verbose: int = 2
) -> Supernet:
    """The largest network, then all; checkpoints and TensorBoard logs go into `folder`.

    Inside the scope of a strategy, batches are divided among its devices.
    """
    data = replace(data, validation=data.validation.take(len(data.validation), recipe.seed))  # batches whose statistics are alike
    supernet = Supernet(space, len(data.classes), recipe.dropout)
    first, second = recipe.phases()
    pool = space.sample(np.random.default_rng(recipe.seed), POOL)
    for phase, genes, subnets in ((first, space.largest(), 1), (second, pool, SUBNETS)):
        supernet.sample(genes, subnets)
        loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        supernet.compile(phase.make_optimizer(len(data.train)), loss, metrics=["accuracy"])
        fit(supernet, data, phase, folder, augmentation, verbose=verbose)
        if phase is first:
            sort_channels(supernet)
    return supernet


class Assessor:
    """Plans a network, and measures it in the supernet if it fits; one per process."""

    def __init__(self, planner: Planner, supernet: Supernet, data: Dataset, recipe: Recipe) -> None:
        self.planner, self.supernet = planner, supernet
        calibration = data.train.take(64 * recipe.calibration, recipe.seed).batches(64)
        validation = data.validation.take(recipe.samples or len(data.validation), recipe.seed).batches(256)
        # Kept: reading and resizing them again would take as long as a small network.
        self.calibration, self.validation = list(calibration), list(validation)

    def __call__(self, genes: Genes) -> Found:
        (architecture,) = self.supernet.space.architectures(genes, self.supernet.classes)
        plan = self.planner.plan(architecture)
        return Found(plan, None if plan is None else self.accuracy(genes))

    def accuracy(self, genes: Genes) -> float:
        """With the weights and the statistics of the network, on validation data."""
        statistics = self.supernet.calibrate(genes, self.calibration)
        return self.supernet.accuracy(genes, statistics, self.validation)


_assessor: Assessor | None = None
"""This process's."""


def _start(planner: Planner, space: Space, weights: Any, load: Callable[[], Dataset], recipe: Recipe) -> None:
    global _assessor
    deterministic(recipe.seed, threads=1)
    data = load()
    supernet = Supernet(space, len(data.classes), recipe.dropout)
    supernet.set_weights(weights)
    _assessor = Assessor(planner, supernet, data, recipe)


def _assess(genes: Genes) -> Found:
    assert _assessor is not None
    return _assessor(genes)


@dataclass(frozen=True)
class Search:
    """Everything that `search network` was asked.

    Attributes:
        load: gives the data, in every process; it must pickle.
        processes, ray: that plan and compare networks, as workers.py has it; 0: this one alone.
        strategy: of TensorFlow, to train the supernet on several devices of this machine.
    """

    space: Space
    planner: Planner
    recipe: Recipe
    settings: Settings
    load: Callable[[], Dataset]
    processes: int | None = 0
    ray: str | None = None
    strategy: tf.distribute.Strategy | None = None

    def run(
        self,
        out: Path,
        augmentation: Callable[[Dataset], Augmentation | None] | None = None,
        verbose: int = 2,
        progress: Any = _plain,
    ) -> Result:
        """Trains, searches, and writes network.keras, largest.keras and search.json into `out`, beside checkpoints and logs.

        Args:
            augmentation: of training samples, for the data.
            verbose: as for Keras.
            progress: wraps the iteration over (results, how many there will be).

        Raises:
            Error: `out` holds another search, the data does not suit the space, or no network fits.
        """
        samples = self.load()
        space = suited(self.space, samples)
        settings = {name: asdict(getattr(self, name)) for name in ("planner", "recipe", "settings")} | {"space": asdict(space)}
        varied = getattr(augmentation, "__qualname__", None)
        claim(out, {**settings, "classes": samples.classes, "data": samples.mark(), "augmentation": varied})
        classes, planner = len(samples.classes), self.planner
        prices = pricing.fit(space, targets.load(planner.target), classes)
        evolution = Evolution(space, Judge(planner.limits, prices, planner.schedule, planner.pull), self.settings, classes)
        evolution.check()
        with (self.strategy or tf.distribute.get_strategy()).scope():
            trained = train_supernet(space, samples, self.recipe, out, augmentation and augmentation(samples), verbose)
        supernet = Supernet(space, classes, self.recipe.dropout)  # of this device alone, whatever trained it
        supernet.set_weights(trained.get_weights())
        assessor = Assessor(planner, supernet, samples, self.recipe)
        with Journal(out / "networks.jsonl") as journal, self._processes(assessor) as assess:
            ranking = evolution.run(journal, assess, _Log(out / "logs" / "evolution"), progress)
        best, largest = (
            cut(supernet, genes, supernet.calibrate(genes, assessor.calibration)) for genes in (ranking[0].genes, space.largest())
        )
        result = Result(best, largest, space.architectures(ranking[0].genes, classes)[0], ranking)
        result.write(out, settings)
        return result

    @contextmanager
    def _processes(self, assessor: Assessor) -> Iterator[Assess]:
        if self.processes == 0:
            yield lambda genes: map(assessor, genes)
            return
        supernet = assessor.supernet
        arguments = (self.planner, supernet.space, supernet.get_weights(), self.load, self.recipe)
        with workers(self.processes, self.ray, _start, arguments) as over:
            yield lambda genes: over(_assess, genes)


@dataclass(frozen=True)
class Result:
    """The best network with the weights it has in the supernet, and all that were found to fit, the best first.

    `largest` is the largest network of the space, which can teach the best one while that is trained on.
    """

    model: tf_keras.Model
    largest: tf_keras.Model
    architecture: Architecture
    ranking: list[Candidate]

    def write(self, out: Path, settings: dict[str, Any]) -> None:
        """network.keras, largest.keras and search.json."""
        best = self.ranking[0]
        networks = [{"accuracy": each.accuracy, **asdict(each.plan), "genes": each.genes} for each in self.ranking[:KEPT]]
        found = {"accuracy": best.accuracy, **asdict(best.plan), "architecture": asdict(self.architecture)}
        text = json.dumps({"best": found, "networks": networks, "settings": settings}, indent=1)
        try:
            self.model.save(out / "network.keras")
            self.largest.save(out / "largest.keras")
            (out / "search.json").write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise Error(f"cannot write {out}: {error.strerror or error}") from error


def load(task: str, spec: str, **options: Any) -> Dataset:
    """The data that `spec` names, as the task labels it."""
    return tasks.task(task).prepare(data.load(spec, **options))


def suited(space: Space, data: Dataset) -> Space:
    """The space without resolutions beyond that of the data; raises Error where nothing is left, or channels differ."""
    height, width, channels = data.shape
    shape = f"the samples are {height}x{width}x{channels}"
    if channels != space.input_channels:
        raise Error(
            f"{shape}, space '{space.name}' takes {space.input_channels} channels: take another space, or set input_channels"
        )
    left = tuple(size for size in space.resolutions if size[0] <= height and size[1] <= width)
    if not left:
        raise Error(f"{shape}, smaller than every resolution of space '{space.name}': take another space, or larger samples")
    return replace(space, resolutions=left)


def claim(folder: Path, settings: dict[str, Any]) -> None:
    """Notes what the files in `folder` belong to; raises Error where they belong to something else."""
    text = json.dumps(settings, indent=1, sort_keys=True)
    record = folder / "settings.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not record.exists():
            record.write_text(text, encoding="utf-8")
        elif record.read_text(encoding="utf-8") != text:
            raise Error(f"{folder} holds another search: choose another --out, or remove it to start anew")
    except OSError as error:
        raise Error(f"cannot write {folder}: {error.strerror or error}") from error


class _Log:
    """TensorBoard scalars of every generation."""

    def __init__(self, folder: Path) -> None:
        self.writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, generation: int, ranking: Sequence[Candidate]) -> None:
        best = ranking[0]
        figures = {
            "accuracy/best": best.accuracy,
            "accuracy/mean of 20": float(np.mean([each.accuracy for each in ranking[:20]])),
            "best/sram": best.plan.sram,
            "best/flash": best.plan.flash,
            "best/instructions": best.plan.instructions,
            "networks": len(ranking),
        }
        with self.writer.as_default(step=generation):
            for name, value in figures.items():
                tf.summary.scalar(name, value)
        self.writer.flush()
