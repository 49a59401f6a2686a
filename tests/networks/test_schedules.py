"""Random networks and small models under every schedule and input mode: TFLM's bytes, and clean under the sanitizers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from tests.build import ModelBuilder
from tests.networks.compare import differing, run_sanitized
from tests.networks.generate import generate_seeded
from tests.oracle import on_host, random_samples
from tflm_mcunet.compiler import Program, build
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.operators import OPERATORS
from tflm_mcunet.operators.base import Unsupported
from tflm_mcunet.options import Options
from tflm_mcunet.passes.patches import PatchError

MODES: dict[str, dict[str, object]] = {
    "stream": {"schedule": "stream", "minimize": "sram"},
    "stream_fast": {"schedule": "stream", "sram": 1 << 20},
    "pull": {"schedule": "stream", "minimize": "sram", "input": "pull"},
    "pull_layer": {"schedule": "layer", "input": "pull"},
    "patch": {"schedule": "patch"},
    "patch_pull": {"schedule": "patch", "minimize": "sram", "input": "pull"},
    "recompute": {"minimize": "sram", "macs_budget": 4.0},
    "recompute_pull": {"minimize": "sram", "input": "pull", "macs_budget": 4.0},
}


def programs_of(model: bytes, name: str, modes: Iterable[str] = MODES) -> list[Program]:
    """The model in all modes that it has: some have no int8 input to pull, or nothing that patches could run."""
    found = []
    for mode in modes:
        choices = MODES[mode]
        try:
            found.append(build(model, name, Options(name=f"{name}_{mode}", **choices)))  # type: ignore[arg-type]
        except (PatchError, Unsupported):
            if mode != "patch" and choices.get("input") != "pull":
                raise
    return found


def check(models: Sequence[bytes], samples: int = 2) -> dict[str, int]:
    """Compares all modes of all models with TFLM; returns how often each mode was there."""
    compiled = [programs_of(model, f"m{index}") for index, model in enumerate(models)]
    flat = [program for programs in compiled for program in programs]
    counts = dict.fromkeys(MODES, 0)
    with Tflm() as oracle, on_host(flat) as hosted:
        runners = dict(zip((p.prefix for p in flat), hosted, strict=True))
        for index, (model, programs) in enumerate(zip(models, compiled, strict=True)):
            inputs = random_samples(programs[0].source.inputs, samples, seed=index)
            expected = oracle.run(model, inputs)
            for program in programs:
                counts[program.prefix.split("_", 1)[1]] += 1
                runner = runners[program.prefix]
                for sample, theirs in zip(inputs, expected, strict=True):
                    pulled = program.options.input == "pull"
                    ours = runner.run_rows(sample, elsewhere=bool(index % 2)) if pulled else runner.run(sample)
                    wrong = sum(differing(a, b) for a, b in zip(ours, theirs.outputs, strict=True))
                    assert not wrong, f"network {index}, {program.options}: {wrong} bytes differ"
    return counts


def test_random_networks_in_every_mode() -> None:
    counts = check([generate_seeded(seed, OPERATORS).model for seed in range(24)])
    assert min(counts.values()) >= 2, counts


@pytest.mark.slow
@pytest.mark.parametrize("first", range(50_000, 51_000, 100))
def test_many_random_networks_in_every_mode(first: int) -> None:
    check([generate_seeded(seed, OPERATORS).model for seed in range(first, first + 100)])


def mobile_network(seed: int, size: tuple[int, int]) -> bytes:
    """Convolution, then inverted bottlenecks with residuals, strides and uneven maps, pooling and a classifier."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()

    def conv(x: int, channels: int, window: int, stride: int, depthwise: bool = False) -> int:
        _, height, width, depth = b.shape(x)
        shape = (1, window, window, depth) if depthwise else (channels, window, window, depth)
        out = depth if depthwise else channels
        weights = b.constant(rng.integers(-127, 128, shape), scale=rng.uniform(0.002, 0.01, out), axis=3 if depthwise else 0)
        y = b.tensor((1, -(-height // stride), -(-width // stride), out), scale=0.1, zero_point=int(rng.integers(-128, 100)))
        kind, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
        extra = {"depthMultiplier": 1} if depthwise else {}
        b.operator(kind, [x, weights], [y], options, strideH=stride, strideW=stride, fusedActivationFunction=1, **extra)
        return y

    x = conv(b.input((1, *size, 3), zero_point=-7), 8, 3, 2)
    for stride, window in ((1, 3), (2, 5), (1, 7), (2, 3), (1, 3)):
        y = conv(conv(conv(x, 16, 1, 1), 16, window, stride, depthwise=True), 8, 1, 1)
        if stride == 1:
            total = b.tensor(b.shape(x), scale=0.15, zero_point=3)
            b.operator("ADD", [x, y], [total], "AddOptions")
            y = total
        x = y
    mean = b.tensor((1, 8), scale=0.1, zero_point=-128)
    b.operator("MEAN", [x, b.constant([1, 2], np.int32)], [mean], "ReducerOptions")
    return b.build([mean, x])


def test_mobile_networks_in_every_mode() -> None:
    models = [mobile_network(seed, size) for seed, size in enumerate([(32, 32), (37, 22), (19, 40)])]
    assert set(check(models).values()) == {3}


def test_a_stream_is_smaller_than_layers_and_patches_recompute() -> None:
    model = mobile_network(0, (48, 48))
    layer, stream, patched = (
        build(model, options=Options(schedule=mode, minimize="sram")) for mode in ("layer", "stream", "patch")
    )
    assert stream.plan.arena < patched.plan.arena < layer.plan.arena
    assert stream.planned.macs_recomputed == 0 < patched.planned.macs_recomputed


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_clean_under_the_sanitizers(mode: str) -> None:
    models = [mobile_network(1, (21, 34)), *(generate_seeded(seed, OPERATORS).model for seed in range(100, 106))]
    programs = [p for i, m in enumerate(models) for p in programs_of(m, f"m{i}", [mode])]
    assert programs
    run_sanitized(programs)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(60_000, 60_200, 20))
def test_many_random_networks_are_clean_under_the_sanitizers(first: int) -> None:
    models = [generate_seeded(seed, OPERATORS).model for seed in range(first, first + 20)]
    run_sanitized([p for i, m in enumerate(models) for p in programs_of(m, f"m{i}")])
