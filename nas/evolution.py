"""The best network of a space within limits, by evolution (Real et al., 2019, as MCUNet uses it).

    evolution = Evolution(space, judge, settings)
    with Journal(path) as journal, workers(...) as over:
        ranking = evolution.run(journal, lambda genes: over(assess, genes))

A network is proposed only if estimates say that it may fit, and counts only if its real plan does. What was found of a network
is written down at once and never asked again. Everything else follows from the seed: a run that was killed repeats its steps
from the journal until it knows no more, and ends as it would have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from nas.plan import Plan
from nas.search_space import Judge, Needs
from nas.space import Int, Space
from tflm_mcunet.errors import Error

Genes = tuple[int, ...]

SLACK = 1.05
"""Networks whose estimates exceed a limit by less are planned all the same: plans are a few percent off."""
DRAWS = 2000
"""Networks whose estimates are asked for at once."""
ATTEMPTS = 40
"""How often, before the search goes on with fewer networks."""


@dataclass(frozen=True)
class Settings:
    """The paper's. `probability`: of a mutation, per gene."""

    population: int = 100
    parents: int = 20
    crossovers: int = 50
    mutations: int = 50
    probability: float = 0.1
    iterations: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.parents <= self.population or self.crossovers + self.mutations < 1:
            raise Error("evolution needs at least one parent, no more than the population, and at least one child")


@dataclass(frozen=True)
class Found:
    """What is known of a network: its plan, None where it does not fit; and its accuracy, where it does."""

    plan: Plan | None
    accuracy: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A network that fits."""

    genes: Genes
    plan: Plan
    accuracy: float

    @property
    def rank(self) -> tuple[float, int, Genes]:
        """The more accurate first, then the faster."""
        return (-self.accuracy, self.plan.instructions, self.genes)


Assess = Callable[[Sequence[Genes]], Iterable[Found]]
"""Plans networks, and measures those that fit; results in the same order."""


class Journal:
    """What was found of each network so far, in a file of one JSON line each; a last line that was cut short does not count."""

    def __init__(self, path: Path) -> None:
        self.known: dict[Genes, Found] = {}
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                entry = json.loads(line)
                plan = None if entry["plan"] is None else Plan(**entry["plan"])
                self.known[tuple(entry["genes"])] = Found(plan, entry["accuracy"])
        self.file = path.open("ab")
        self.file.truncate(whole)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()

    def add(self, genes: Genes, found: Found) -> None:
        self.known[genes] = found
        self.file.write(json.dumps({"genes": genes, **asdict(found)}).encode() + b"\n")
        self.file.flush()


@dataclass(frozen=True)
class Evolution:
    """A search over a space; `judge` knows the limits."""

    space: Space
    judge: Judge
    settings: Settings
    classes: int | None = None

    def run(
        self,
        journal: Journal,
        assess: Assess,
        report: Callable[[int, list[Candidate]], None] = lambda generation, ranking: None,
        progress: Callable[[Iterable[Found], int], Iterable[Found]] = lambda items, total: items,
    ) -> list[Candidate]:
        """All networks that were found to fit, the best first.

        Args:
            report: gets the number of every generation and the ranking so far.
            progress: wraps the iteration over (results, how many there will be).

        Raises:
            Error: no network of the space fits.
        """
        settings, ranking = self.settings, list[Candidate]()
        seen: set[Genes] = set()
        for generation in range(settings.iterations + 1):
            rng = np.random.default_rng((settings.seed, generation))
            parents = np.array([each.genes for each in ranking[: settings.parents]])
            children = [(self._crossed, settings.crossovers), (self._mutated, settings.mutations)]
            for draw, wanted in children if generation else [(self._sampled, settings.population)]:
                ranking += self._fitting(wanted, partial(draw, rng, parents), seen, journal, assess, progress)
            ranking.sort(key=lambda each: each.rank)
            if not ranking:
                raise Error(self._nothing_fits())
            report(generation, ranking)
        return ranking

    def _sampled(self, rng: np.random.Generator, parents: Int) -> Int:
        return self.space.sample(rng, DRAWS)

    def _crossed(self, rng: np.random.Generator, parents: Int) -> Int:
        """Children that have every gene from one of two parents."""
        pairs = rng.integers(0, len(parents), (DRAWS, 2))
        first = rng.random((DRAWS, parents.shape[1])) < 0.5
        return np.where(first, parents[pairs[:, 0]], parents[pairs[:, 1]])

    def _mutated(self, rng: np.random.Generator, parents: Int) -> Int:
        """Parents some of whose genes are drawn anew."""
        chosen = parents[rng.integers(0, len(parents), DRAWS)]
        return np.where(rng.random(chosen.shape) < self.settings.probability, self.space.sample(rng, DRAWS), chosen)

    def _fitting(
        self, wanted: int, draw: Callable[[], Int], seen: set[Genes], journal: Journal, assess: Assess, progress: Any
    ) -> list[Candidate]:
        """So many new networks that fit, or fewer where they are hard to find."""
        found: list[Candidate] = []
        for _ in range(ATTEMPTS):
            new = list(self._promising(draw(), seen))[: wanted - len(found)]
            seen.update(new)
            results = self._known(new, journal, assess)
            for genes, each in zip(new, progress(results, len(new)), strict=True):
                if each.plan is not None and each.accuracy is not None:
                    found.append(Candidate(genes, each.plan, each.accuracy))
            if len(found) == wanted:
                break
        return found

    def _promising(self, drawn: Int, seen: set[Genes]) -> Iterator[Genes]:
        """Those that nobody has seen and that fit by their estimates."""
        canonical = self.space.canonical(drawn)
        new = [genes for genes in dict.fromkeys(map(tuple, canonical.tolist())) if genes not in seen]
        if new:
            fits = self.judge.may_fit(self.judge.needs(self.space, np.array(new), self.classes), SLACK)
            yield from (genes for genes, fit in zip(new, fits, strict=True) if fit)

    @staticmethod
    def _known(networks: Sequence[Genes], journal: Journal, assess: Assess) -> Iterator[Found]:
        """From the journal, or into it."""
        missing = [genes for genes in networks if genes not in journal.known]
        results = iter(assess(missing)) if missing else iter(())
        for genes in networks:
            if genes not in journal.known:
                journal.add(genes, next(results))
            yield journal.known[genes]

    def check(self) -> None:
        """Raises Error where even the smallest network does not fit."""
        if not self.judge.may_fit(self._smallest(), SLACK)[0]:
            raise Error(self._nothing_fits())

    def _smallest(self) -> Needs:
        return self.judge.needs(self.space, self.space.smallest()[None], self.classes)

    def _nothing_fits(self) -> str:
        needs = self._smallest()
        sram, flash, instructions = int(needs.sram[0]), int(needs.least_flash[0]), int(needs.least_instructions[0])
        return (
            f"no network of space '{self.space.name}' was found within {self.judge.limits}: the smallest needs about "
            f"{sram:,} bytes of SRAM, {flash:,} of flash and {instructions:,} instructions; allow more, or take a smaller space"
        )
