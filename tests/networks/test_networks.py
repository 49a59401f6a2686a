"""Random networks of all operators: our C and TFLM byte by byte, sanitizers, and warnings of three compilers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.networks.compare import Outcome, compare, run_sanitized, write_batch
from tests.networks.generate import Generated, generate, generate_seeded
from tests.networks.operators import GENERATORS
from tests.networks.source import Shrinking
from tflm_mcunet.compiler import build
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators import OPERATORS

BATCH = 50
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")


def report(networks: dict[int, Generated], outcomes: Sequence[Outcome]) -> None:
    """Fails with seeds, reasons and the saved models where any network is not good."""
    wrong = {seed: outcome for seed, outcome in zip(networks, outcomes, strict=True) if not outcome.good}
    if not wrong:
        return
    folder = Path(os.environ.get("FAILED_NETWORKS") or tempfile.mkdtemp(prefix="failed_networks_"))
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for seed, outcome in wrong.items():
        file = folder / f"network_{seed}.tflite"
        file.write_bytes(networks[seed].model)
        count = f"{outcome.differing} of {outcome.compared} bytes differ; " if outcome.differing else ""
        lines.append(f"seed {seed}: {count}{outcome.problem} ({file})")
    pytest.fail(f"{len(wrong)} of {len(networks)} networks:\n" + "\n".join(lines), pytrace=False)


def run_seeds(first: int, count: int) -> Counter[str]:
    """Compares `count` networks in batches; returns how often each operator was among them."""
    kinds: Counter[str] = Counter()
    networks: dict[int, Generated] = {}
    outcomes: list[Outcome] = []
    with Tflm() as oracle:
        for start in range(first, first + count, BATCH):
            batch = {seed: generate_seeded(seed, OPERATORS) for seed in range(start, min(start + BATCH, first + count))}
            outcomes += compare([n.model for n in batch.values()], oracle, seed=start)
            networks |= batch
            kinds.update(kind for n in batch.values() for kind in n.kinds.elements())
    report(networks, outcomes)
    return kinds


def test_networks() -> None:
    kinds = run_seeds(0, 200)
    missing = (GENERATORS.keys() & OPERATORS.keys()) - kinds.keys()
    assert not missing, f"operators in no network: {missing}"


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100_000, 102_500, 250))
def test_many_networks(first: int) -> None:
    run_seeds(first, 250)


def test_every_operator_has_a_generator() -> None:
    missing = {kind for kind, operator in OPERATORS.items() if not operator.internal} - GENERATORS.keys()
    assert not missing, f"add them to tests/networks/operators.py: {missing}"


@pytest.fixture(scope="module")
def oracle():
    with Tflm() as tflm:
        yield tflm


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
@given(st.data())
def test_networks_that_shrink(oracle: Tflm, data: st.DataObject) -> None:
    network = generate(Shrinking(data), OPERATORS, operators=6)
    report({0: network}, compare([network.model], oracle))


@pytest.mark.parametrize("first", [50_000, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(50_100, 50_500, 50))])
def test_sanitizers(first: int) -> None:
    """No access outside the arena or a constant, nothing undefined."""
    run_sanitized([build(generate_seeded(seed, OPERATORS).model, f"m{seed}.tflite") for seed in range(first, first + 20)])


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory):
    models = [generate_seeded(seed, OPERATORS).model for seed in range(60_000, 60_050)]
    programs = [build(model, f"m{index}.tflite") for index, model in enumerate(models)]
    return write_batch(programs, tmp_path_factory.mktemp("batch"))


@pytest.mark.parametrize("compiler", ["gcc", "clang", "arm-none-eabi-gcc"])
def test_no_warnings(batch, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    said = batch.compile([compiler], batch.folder / "all_models.c", "-std=c99", "-O1", *WARNINGS, "-c", "-o", os.devnull)
    assert not said, said[:4000]


def test_header_from_cpp(batch) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    said = batch.compile(["g++"], batch.folder / "all_models.cc", "-std=c++11", *WARNINGS, "-pedantic", "-fsyntax-only")
    assert not said, said[:4000]
