"""Evolution finds better networks that fit, follows from its seed, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from nas import pricing, space
from nas.evolution import Evolution, Found, Genes, Journal, Settings
from nas.limits import Limits
from nas.plan import Plan, Planner
from nas.search_space import Judge
from nas.workers import workers
from tflm_mcunet import targets
from tflm_mcunet.errors import Error

BOARD = "stm32f746"
SMALL = Settings(population=12, parents=4, crossovers=5, mutations=5, iterations=4, seed=3)
LIMITS = Limits(9000, 100_000, 8_000_000)


class Stopped(BaseException):
    """Stands for a process that is killed."""


@pytest.fixture(scope="module")
def prices() -> pricing.Pricing:
    return pricing.fit(space.load("mfcc"), targets.load(BOARD))


class Oracle:
    """Accuracies that grow with the genes; plans that fit or do not, by chance; counts what it is asked."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked: list[Genes] = []
        self.stop_after = stop_after

    def __call__(self, networks: Sequence[Genes]) -> Iterator[Found]:
        for genes in networks:
            if len(self.asked) == self.stop_after:
                raise Stopped
            self.asked.append(genes)
            fits = (7 * sum(i * g for i, g in enumerate(genes))) % 5 > 0
            yield Found(Plan(1, 2, 3, 4), sum(genes) / 100) if fits else Found(None)


def evolution(prices: pricing.Pricing, settings: Settings = SMALL, limits: Limits = LIMITS) -> Evolution:
    return Evolution(space.load("mfcc"), Judge(limits, prices), settings)


def run(path: Path, search: Evolution, oracle: Oracle) -> list[object]:
    with Journal(path) as journal:
        return list(search.run(journal, oracle))


def test_generations_get_better_and_no_network_is_asked_twice(prices: pricing.Pricing, tmp_path: Path) -> None:
    search, oracle, best = evolution(prices), Oracle(), []
    with Journal(tmp_path / "j") as journal:
        ranking = search.run(journal, oracle, lambda number, found: best.append((number, found[0].accuracy, len(found))))
    assert [number for number, *_ in best] == [0, 1, 2, 3, 4]
    assert [count for *_, count in best] == [12, 22, 32, 42, 52]
    assert best[-1][1] > best[0][1]
    assert len(set(oracle.asked)) == len(oracle.asked)
    assert len({each.genes for each in ranking}) == 52
    accuracies = [each.accuracy for each in ranking]
    assert accuracies == sorted(accuracies, reverse=True)
    genes = np.array([each.genes for each in ranking])
    mfcc = space.load("mfcc")
    assert (mfcc.canonical(genes) == genes).all()
    assert search.judge.may_fit(search.judge.needs(mfcc, genes), 1.05).all()


def test_stopped_anywhere_it_ends_the_same(prices: pricing.Pricing, tmp_path: Path) -> None:
    search, whole = evolution(prices), Oracle()
    expected = run(tmp_path / "whole", search, whole)
    for stop in (0, 1, 13, 40):
        path, first, rest = tmp_path / str(stop), Oracle(stop), Oracle()
        with pytest.raises(Stopped):
            run(path, search, first)
        with path.open("ab") as file:
            file.write(b'{"genes": [0, 1')  # as far as it got
        assert run(path, search, rest) == expected
        assert len(first.asked) == stop
        assert len(rest.asked) == len(whole.asked) - stop
        assert path.read_bytes() == (tmp_path / "whole").read_bytes()


def test_seeds(prices: pricing.Pricing, tmp_path: Path) -> None:
    first = run(tmp_path / "a", evolution(prices), Oracle())
    other = run(tmp_path / "b", evolution(prices, Settings(12, 4, 5, 5, 0.1, 4, seed=4)), Oracle())
    assert first != other


def test_children_have_their_parents_genes(prices: pricing.Pricing) -> None:
    search = evolution(prices)
    parents = search.space.sample(np.random.default_rng(0), 2)
    crossed = search._crossed(np.random.default_rng(1), parents)
    assert ((crossed == parents[0]) | (crossed == parents[1])).all()
    mutated = search._mutated(np.random.default_rng(1), parents[:1])
    options = search.space.sizes > 1
    assert (mutated != parents[0])[:, options].mean() == pytest.approx(
        0.1 * (1 - 1 / search.space.sizes[options]).mean(), abs=0.01
    )


def test_nothing_fits(prices: pricing.Pricing, tmp_path: Path) -> None:
    search = evolution(prices, limits=Limits(500, None, None))
    with pytest.raises(
        Error, match=r"no network of space 'mfcc' was found within 500 bytes of SRAM: the smallest needs about [\d,]+ "
    ):
        search.check()
    with pytest.raises(Error, match="no network of space"):
        run(tmp_path / "a", search, Oracle())
    evolution(prices).check()


def test_bad_settings() -> None:
    with pytest.raises(Error, match="at least one parent"):
        Settings(parents=0)
    with pytest.raises(Error, match="at least one child"):
        Settings(crossovers=0, mutations=0)


def plans(genes: Genes) -> Plan | None:
    (architecture,) = space.load("mfcc").architectures(np.array(genes))
    return Planner(BOARD, LIMITS).plan(architecture)


def test_plans_stay_within_limits_on_any_processes() -> None:
    mfcc = space.load("mfcc")
    genes = list(map(tuple, mfcc.sample(np.random.default_rng(2), 6).tolist()))
    with workers(2) as over:
        found = list(over(plans, genes))
    with workers(0) as over:
        assert list(over(plans, genes)) == found
    fitting = [plan for plan in found if plan is not None]
    assert 0 < len(fitting) < 6
    assert all(plan.within(LIMITS) for plan in fitting)
    generous = [Planner(BOARD, Limits(None, None, None)).plan(mfcc.architectures(np.array(each))[0]) for each in genes]
    assert all(plan is not None for plan in generous)
    assert [plan.macs for plan in generous if plan] == [
        plan.macs if plan else other.macs for plan, other in zip(found, generous, strict=True) if other
    ]


@pytest.mark.slow
def test_plans_on_a_ray_cluster() -> None:
    """Two nodes of one processor each, on this machine."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    import ray

    genes = list(map(tuple, space.load("mfcc").sample(np.random.default_rng(2), 4).tolist()))
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        with workers(2, cluster.address) as over:
            assert list(over(plans, genes)) == list(map(plans, genes))
            assert len([node for node in ray.nodes() if node["Alive"]]) == 2
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_no_ray_cluster() -> None:
    pytest.importorskip("ray")
    with pytest.raises(Error, match=r"--ray 127.0.0.1:1: no cluster there"), workers(1, "127.0.0.1:1"):
        pass
