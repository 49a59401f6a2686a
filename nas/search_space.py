"""Which resolution and width suit a board: stage 1 of TinyNAS, before anything is trained (MCUNet, section 3.1).

Networks of every space are drawn at random. The space whose networks that fit do the most work promises the best one:
what fits is judged by the schedule and the kernels of the compiler, as patch_scheduler.batch and pricing.py estimate them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas import pricing
from nas.limits import Limits
from nas.pricing import Pricing
from nas.space import Space
from nas.workers import workers
from patch_scheduler.batch import Estimates, estimate
from tflm_mcunet.errors import Error
from tflm_mcunet.targets import Target

LEAST_SHARE = 0.01
"""Of a space's networks that must fit, or the mean of those that do says little."""


@dataclass(frozen=True)
class Judge:
    """Estimates whether networks fit: `schedule` and `pull` as the compiler's options have them."""

    limits: Limits
    pricing: Pricing
    schedule: str = "auto"
    pull: bool = False

    def __post_init__(self) -> None:
        if self.schedule == "layer" and self.pull:
            raise Error("--schedule layer reads the whole image: it needs --input whole")

    def sram(self, found: Estimates) -> NDArray[np.int64]:
        """Bytes of arena that the planner is expected to find."""
        streamed = found.stream_pulled_arena if self.pull else found.stream_arena
        patched = found.patch_pulled if self.pull else found.patch
        whole = streamed if self.pull else np.minimum(found.layer, streamed)
        return {"auto": whole, "stream": streamed, "patch": patched, "layer": found.layer}[self.schedule]

    def needs(self, space: Space, genes: NDArray[np.int64], classes: int | None = None) -> Needs:
        """What networks [network, gene] need."""
        found = estimate(space.architectures(genes, classes))
        prices = self.pricing.of(space, genes, classes)
        if self.schedule == "patch":
            work = (found.patch_pulled_macs if self.pull else found.patch_macs) / np.maximum(found.macs, 1)
            instructions = prices.layer * work
        else:
            room = np.inf if self.limits.sram is None or self.schedule == "layer" else self.limits.sram
            by_layer = (found.layer <= room) & (self.schedule != "stream") & (not self.pull)
            instructions = np.where(by_layer, prices.layer, prices.stream)
        least = np.minimum(prices.layer, instructions)
        return Needs(self.sram(found), prices.flash + self.pricing.code, prices.flash, instructions, least, found.macs)

    def fits(self, needs: Needs) -> NDArray[np.bool_]:
        """Whether networks stay within the limits."""
        return self._within(needs.sram, needs.flash, needs.instructions)

    def may_fit(self, needs: Needs, slack: float) -> NDArray[np.bool_]:
        """Whether the real plan, which streams and calls only what it must, may stay within `slack` times the limits."""
        return self._within(needs.sram / slack, needs.least_flash / slack, needs.least_instructions / slack)

    def _within(self, *needs: NDArray[Any]) -> NDArray[np.bool_]:
        limits = (self.limits.sram, self.limits.flash, self.limits.instructions)
        pairs = zip(needs, limits, strict=True)
        return np.logical_and.reduce([need <= (np.inf if limit is None else limit) for need, limit in pairs])


@dataclass(frozen=True)
class Needs:
    """Per network: bytes of arena; of constants with all kernels of the space, and alone; instructions, and those without any
    streaming; multiply-accumulates.
    """

    sram: NDArray[np.int64]
    flash: NDArray[np.float64]
    least_flash: NDArray[np.float64]
    instructions: NDArray[np.float64]
    least_instructions: NDArray[np.float64]
    macs: NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """What was found of one space: the MACs of those of its `drawn` networks that fit, in ascending order."""

    resolution: tuple[int, int]
    width: float
    drawn: int
    macs: NDArray[np.int64]

    @property
    def share(self) -> float:
        """Of the networks, that fit."""
        return len(self.macs) / self.drawn

    def as_dict(self) -> dict[str, Any]:
        """The JSON form; figures are None where nothing fits."""
        figures: dict[str, Any] = {"mean": np.mean, "median": np.median, "top_fifth": partial(np.percentile, q=80)}
        return {
            "resolution": list(self.resolution),
            "width": self.width,
            "share": round(self.share, 4),
            "macs": {name: round(float(of(self.macs))) if len(self.macs) else None for name, of in figures.items()},
        }


@dataclass(frozen=True)
class Choice:
    """All spaces in the order of the file, and the best one's number."""

    samples: tuple[Sample, ...]
    best: int


def search_space(
    space: Space,
    target: Target,
    limits: Limits,
    *,
    schedule: str = "auto",
    pull: bool = False,
    count: int = 1000,
    seed: int = 0,
    classes: int | None = None,
    processes: int | None = None,
    ray: str | None = None,
    progress: Any = lambda items, total: items,
) -> Choice:
    """The best of the spaces of one resolution and width each; the same for the same seed, on however many processes.

    Args:
        schedule, pull: how the networks may run, as the compiler's options have it.
        count: networks to draw from each.
        progress: wraps the iteration over (results, how many there will be).

    Raises:
        Error: no space has enough networks that fit.
    """
    judge = Judge(limits, pricing.fit(space, target, classes), schedule, pull)
    parts = space.subspaces()
    jobs = list(zip(parts, np.random.SeedSequence(seed).spawn(len(parts)), strict=True))
    with workers(processes, ray) as over:
        results: Iterable[Sample] = over(partial(_sample, judge, count, classes), jobs)
        samples = tuple(progress(results, len(jobs)))
    return Choice(samples, best(samples, limits))


def best(samples: Sequence[Sample], limits: Limits) -> int:
    """The sample with the largest mean work; raises Error where hardly anything fits in any of them."""
    means = [sample.macs.mean() if sample.share >= LEAST_SHARE else -1 for sample in samples]
    if max(means) < 0:
        share = max(sample.share for sample in samples)
        raise Error(
            f"no space has {LEAST_SHARE:.0%} networks that fit {limits} (at most {share:.1%}): "
            "allow more, take a larger board, or write a smaller space"
        )
    return int(np.argmax(means))


def _sample(judge: Judge, count: int, classes: int | None, job: tuple[Space, np.random.SeedSequence]) -> Sample:
    space, seed = job
    needs = judge.needs(space, space.sample(np.random.default_rng(seed), count), classes)
    return Sample(space.resolutions[0], space.widths[0], count, np.sort(needs.macs[judge.fits(needs)]))


def plot(choice: Choice, path: str, title: str) -> None:
    """Draws the distributions of work, the chosen one in colour; raises Error where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Error("--plot needs matplotlib: pip install 'tflm-mcunet[plot]'") from None
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for number, sample in enumerate(choice.samples):
        if len(sample.macs):
            chosen = number == choice.best
            color, width, above = ("#d55e00", 2.0, 3) if chosen else ("#999999", 0.5, 2)
            shares = np.arange(1, len(sample.macs) + 1) / len(sample.macs)
            label = name(sample) if chosen else None
            axes.plot(sample.macs / 1e6, shares, color=color, linewidth=width, zorder=above, label=label)
    axes.set(xlabel="MACs (million)", ylabel="share of the networks that fit", title=title)
    axes.grid(alpha=0.3)
    axes.legend(title="chosen")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise Error(f"cannot write {path}: {error}") from error


def name(sample: Sample) -> str:
    """For people: the width and the resolution."""
    height, width = sample.resolution
    return f"width {sample.width:g}, resolution {height if height == width else f'{height}x{width}'}"
