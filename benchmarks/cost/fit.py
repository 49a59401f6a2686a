"""Fits the cost model to profiles of emulated cores and writes tflm_mcunet/cost/*.json and RESULTS.md.

    python benchmarks/cost/fit.py
    python benchmarks/cost/fit.py --cores cortex-m4 --jobs 4

Each network is profiled operator by operator: as fast as it gets, within less memory than that takes, and as the least stream;
generated chains of layers also in every kernel that their operators can take, whatever the model that is replaced would choose.
Per family of kernels, non-negative least squares give the coefficients. For the error, each network is estimated by a model that
was fitted to everything else.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from absl import app, flags
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cost.synthetic import bottleneck, chain, images  # noqa: E402
from tests.networks.generate import generate_seeded  # noqa: E402
from tflm_mcunet.compiled import Compiled  # noqa: E402
from tflm_mcunet.compiler import build  # noqa: E402
from tflm_mcunet.cost.features import features  # noqa: E402
from tflm_mcunet.cost.model import ANY  # noqa: E402
from tflm_mcunet.fit import DoesNotFit  # noqa: E402
from tflm_mcunet.kernels import alternatives, choice  # noqa: E402
from tflm_mcunet.operators import OPERATORS  # noqa: E402
from tflm_mcunet.operators.base import Operator  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402

CORES = ("cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55")
SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "fast": {"sram": 1 << 22},
    "tight": {},  # within a part of what `fast` takes
    "stream": {"schedule": "stream", "minimize": "sram"},
    "fused": {"minimize": "sram", "macs_budget": 9.0},  # as one operator
}
TIGHT = 0.7
REPORTED = ("fast", "tight", "stream")
CHAINS, IMAGES, BOTTLENECKS, RANDOM = 20, 4, 24, 12
EVERY = "kernel"  # and its number: each operator in that of its kernels, or in its last

FLAGS = flags.FLAGS
flags.DEFINE_string("shared", str(ROOT.parent / "shared"), "folder that holds models/")
flags.DEFINE_list("cores", list(CORES), "emulated cores to profile and fit")
flags.DEFINE_integer("jobs", 1, "networks that are profiled at a time")
flags.DEFINE_string("samples", None, "a file to keep profiles in; where it exists they are read from it instead of measured")

Matrix = NDArray[np.float64]
Coefficients = dict[str, dict[str, float]]


class Sample(NamedTuple):
    """What one operator took."""

    network: str
    schedule: str
    family: str
    values: dict[str, float]
    instructions: int
    cycles: int | None


# ---- profiles ----


def networks() -> Iterator[tuple[str, bytes]]:
    """Real models, whose names are paths' stems, and generated ones, whose names start with a sign."""
    paths = [*sorted((Path(FLAGS.shared) / "models").glob("*.tflite")), ROOT / "examples" / "fashion_mnist" / "model.tflite"]
    for path in paths:
        yield path.stem if path.stem != "model" else path.parent.name, path.read_bytes()
    for seed in range(CHAINS):
        yield f"#chain {seed}", chain(seed)
    for seed in range(IMAGES):
        yield f"#images {seed}", images(seed)
    for seed in range(BOTTLENECKS):
        yield f"#bottleneck {seed}", bottleneck(seed)
    for seed in range(RANDOM):
        yield f"#random {seed}", generate_seeded(seed, OPERATORS, 12).model


def profile(name: str, model: bytes, schedule: str, core: str, **options: Any) -> tuple[list[Sample], int]:
    """The samples of one network, and its arena."""
    chosen = {"target": core, "io": "int8", "name": "model", **options, **SCHEDULES.get(schedule, SCHEDULES["fast"])}
    compiled = Compiled(model, build(model, name, Options(**chosen)))
    execution = compiled.bench(on=core, profile=True)
    program = compiled.program
    assert execution.profile is not None
    samples = []
    for index, (op, work) in enumerate(zip(program.lowered.operators, execution.profile.operators, strict=True)):
        found = features(op, program.schedule.block[index])
        samples.append(Sample(name, schedule, found.family, dict(found.values), work.instructions, work.cycles))
    return samples, program.plan.arena


def attempt(name: str, model: bytes, core: str) -> list[Sample]:
    """The samples of one network, scheduled in every way that there is for it."""
    if name.startswith("#bottleneck"):
        return profile(name, model, "fused", core)[0]
    samples, arena = profile(name, model, "fast", core)
    for schedule in ["stream"] if name.startswith("#") else ["tight", "stream"]:
        options = {"sram": int(TIGHT * arena)} if schedule == "tight" else {}
        with suppress(DoesNotFit):
            samples += profile(name, model, schedule, core, **options)[0]
    if name.startswith(("#chain", "#images")):
        samples += [sample for number in range(_most_kernels(name, model, core)) for sample in _forced(number, name, model, core)]
    return samples


def _forced(number: int, name: str, model: bytes, core: str) -> list[Sample]:
    with kernels(number):
        return profile(name, model, f"{EVERY} {number}", core)[0]


def _most_kernels(name: str, model: bytes, core: str) -> int:
    with kernels(0) as offered:
        build(model, name, Options(target=core, io="int8", name="model", sram=SCHEDULES["fast"]["sram"]))
    return max(offered)


@contextmanager
def kernels(number: int) -> Iterator[list[int]]:
    """Operators take the kernel of this number, or the last that applies, whatever it costs. Gives how many each could take."""
    offered: list[int] = []

    def chosen(op: Operator, available: Set[str]) -> list[Operator]:
        found = list(alternatives(op, available))
        offered.append(len(found))
        return [found[min(number, len(found) - 1)]]

    with patch.object(choice, "alternatives", chosen), patch.object(choice._Kernels, "only_one", False):
        yield offered


def profiles(core: str) -> list[Sample]:
    """The samples of all networks on one core."""
    start = time.monotonic()
    with ProcessPoolExecutor(FLAGS.jobs) as pool:
        futures = [pool.submit(attempt, name, model, core) for name, model in networks()]
        samples = [sample for future in futures for sample in future.result()]
    print(f"{core}: {len(samples)} operators profiled in {time.monotonic() - start:.0f} s", flush=True)
    return samples


# ---- fitting ----


def nonnegative(a: Matrix, b: Matrix) -> Matrix:
    """The x >= 0 with least |a x - b| (Lawson and Hanson's active sets)."""
    x = np.zeros(a.shape[1])
    active = np.zeros(a.shape[1], bool)
    for _ in range(6 * a.shape[1]):
        gradient = a.T @ (b - a @ x)
        gradient[active] = -np.inf
        if gradient.max() <= 1e-9 * max(np.abs(a.T @ b).max(), 1e-30):
            break
        active[gradient.argmax()] = True
        while True:
            solution = np.zeros_like(x)
            solution[active] = np.linalg.lstsq(a[:, active], b, rcond=None)[0]
            if (solution[active] > 0).all():
                break
            falling = active & (solution <= 0)
            step = np.min(x[falling] / np.maximum(x[falling] - solution[falling], 1e-300))
            x = x + step * (solution - x)
            active &= x > 1e-12 * max(x.max(), 1e-300)
            if not active.any():
                break
        x = solution
    return x


def fit_family(samples: Sequence[Sample], measured: Sequence[float]) -> dict[str, float]:
    """Coefficients of one family. Large operators count more, but less than their size would have it."""
    names = sorted({name for sample in samples for name in sample.values})
    a = np.array([[sample.values.get(name, 0.0) for name in names] for sample in samples])
    b = np.array(measured, float)
    weights = 1 / np.maximum(b, 1.0) ** 0.75
    a, b = a * weights[:, None], b * weights
    scale = np.maximum(np.linalg.norm(a, axis=0), 1e-30)
    found = nonnegative(a / scale, b) / scale
    return {name: float(f"{value:.4g}") for name, value in zip(names, found, strict=True) if value > 0}


def fit(samples: Sequence[Sample], figure: str) -> Coefficients:
    """Coefficients of all families for `instructions` or `cycles`."""
    families = defaultdict(list)
    for sample in samples:
        families[sample.family].append(sample)
    found = {family: fit_family(own, [getattr(s, figure) for s in own]) for family, own in sorted(families.items())}
    return {ANY: fit_family(samples, [getattr(s, figure) for s in samples]), **found}


def estimate(coefficients: Coefficients, sample: Sample) -> float:
    """The estimate for one sample."""
    family = coefficients.get(sample.family, coefficients[ANY])
    return sum(family.get(name, 0.0) * value for name, value in sample.values.items())


def errors(samples: Sequence[Sample], figure: str) -> dict[str, dict[str, float]]:
    """Relative errors of whole real networks, by name and schedule, each estimated by a model that has not seen it."""
    found: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(sample.network for sample in samples):
        if name.startswith("#"):
            continue
        coefficients = fit([sample for sample in samples if sample.network != name], figure)
        for schedule in REPORTED:
            own = [sample for sample in samples if (sample.network, sample.schedule) == (name, schedule)]
            if own:
                total = sum(getattr(sample, figure) for sample in own)
                found.setdefault(name, {})[schedule] = sum(estimate(coefficients, sample) for sample in own) / total - 1
    return found


def summary(found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Mean and worst, and the error of every network."""
    values = [abs(error) for by_schedule in found.values() for error in by_schedule.values()]
    rounded = {name: {key: round(error, 4) for key, error in own.items()} for name, own in found.items()}
    return {"mean": round(float(np.mean(values)), 4), "worst": round(max(values), 4), "networks": rounded}


def model(samples: Sequence[Sample]) -> dict[str, Any]:
    """The content of one core's file."""
    data: dict[str, Any] = {"error": summary(errors(samples, "instructions")), "instructions": fit(samples, "instructions")}
    if samples[0].cycles is not None:
        data |= {"cycles_error": summary(errors(samples, "cycles")), "cycles": fit(samples, "cycles")}
    return data


# ---- results ----


def markdown(models: Mapping[str, Mapping[str, Any]]) -> str:
    """RESULTS.md: the cross-validated error per network and core."""
    columns = [(core, key) for core, data in models.items() for key in ("error", "cycles_error") if key in data]
    titles = [core + (", modelled cycles" if key == "cycles_error" else "") for core, key in columns]
    lines = ["| network | schedule | " + " | ".join(titles) + " |", "| --- | --- |" + " ---: |" * len(columns)]
    names = dict.fromkeys(name for data in models.values() for name in data["error"]["networks"])
    for name in names:
        for schedule in REPORTED:
            found = (models[core][key]["networks"].get(name, {}).get(schedule) for core, key in columns)
            lines.append(f"| {name} | {schedule} | " + " | ".join("" if e is None else f"{e:+.1%}" for e in found) + " |")
    for label in ("mean", "worst"):
        lines.append(f"| **{label}** | | " + " | ".join(f"**{models[core][key][label]:.1%}**" for core, key in columns) + " |")
    return (
        "# Error of the cost model\n\nEstimated instructions of a whole network against those executed, where the model was "
        "fitted to everything but\nthat network. Reproduced, with the coefficients in tflm_mcunet/cost/, by\n\n"
        "    python benchmarks/cost/fit.py\n\n" + "\n".join(lines) + "\n"
    )


def obtain(core: str) -> list[Sample]:
    """The core's samples, measured or from the file that keeps them."""
    kept = Path(FLAGS.samples) if FLAGS.samples else None
    data = json.loads(kept.read_text()) if kept and kept.exists() else {}
    if core not in data:
        data[core] = profiles(core)
        if kept:
            kept.write_text(json.dumps(data))
    return [Sample(*entry) for entry in data[core]]


def main(arguments: Sequence[str]) -> None:
    """Profiles, fits and writes."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]}")
    folder = ROOT / "tflm_mcunet" / "cost"
    for core in FLAGS.cores:
        data = model(obtain(core))
        (folder / f"{core}.json").write_text(json.dumps(data, indent=1) + "\n")
        print(f"{core}: mean error {data['error']['mean']:.1%}, worst {data['error']['worst']:.1%}", flush=True)
    models = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    (HERE / "RESULTS.md").write_text(markdown(models))


if __name__ == "__main__":
    app.run(main)
