"""Inverted bottlenecks as one operator: TFLM's bytes for every window and schedule, and less memory within a budget of work."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from patch_scheduler import validate
from tests.build import ModelBuilder
from tests.networks.compare import run_sanitized
from tests.oracle import on_host, random_samples
from tflm_mcunet.codegen.emit import emit
from tflm_mcunet.compiler import Program, supported
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.gates import recomputed_maps
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels import select_kernels
from tflm_mcunet.kernels.flash import function_of
from tflm_mcunet.operators.inverted_bottleneck import InvertedBottleneck
from tflm_mcunet.operators.window import outputs_along
from tflm_mcunet.options import Options
from tflm_mcunet.passes import pull_input, rewrite
from tflm_mcunet.passes.bottlenecks import HEIGHTS, bottlenecks, fuse
from tflm_mcunet.planning import plan_graph

VWW = Path(__file__).parents[3] / "shared" / "models" / "mcunet_vww1_80.tflite"


class _Blocks:
    """A network under construction; `at` is the last tensor. Zero points, scales, biases and activations are random."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], channels: int) -> None:
        self.rng, self.b = rng, ModelBuilder()
        self.at = self.b.input((1, *size, channels), zero_point=int(rng.integers(-128, 128)))

    def convolution(
        self, channels: int, window: tuple[int, int] = (1, 1), stride: tuple[int, int] = (1, 1), padding: str = "SAME"
    ) -> None:
        """With no `channels` a depthwise one."""
        rng, b, before = self.rng, self.b, self.b.shape(self.at)
        depth = channels or before[3]
        shape = (channels, *window, before[3]) if channels else (1, *window, depth)
        scales = rng.uniform(0.002, 0.02, depth) / np.sqrt(np.prod(shape) / depth)
        weights = b.constant(rng.integers(-127, 128, shape), scale=scales, axis=0 if channels else 3)
        bias = b.constant(rng.integers(-2000, 2000, depth), np.int32, scale=scales * 0.05)
        target = [outputs_along(padding, *along, 1) for along in zip(before[1:3], window, stride, strict=True)]
        y = b.tensor((1, *target, depth), scale=float(rng.uniform(0.02, 0.06)), zero_point=int(rng.integers(-128, 60)))
        kind, options = ("CONV_2D", "Conv2DOptions") if channels else ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions")
        values = {"padding": int(padding == "VALID"), "strideH": stride[0], "strideW": stride[1]}
        values |= {} if channels else {"depthMultiplier": 1}
        b.operator(kind, [self.at, weights, bias], [y], options, fusedActivationFunction=int(rng.choice([0, 1, 3])), **values)
        self.at = y

    def bottleneck(self, inner: int, outputs: int, **window: object) -> None:
        self.convolution(inner)
        self.convolution(0, **window)  # type: ignore[arg-type]
        self.convolution(outputs)

    def pad(self, *margins: int) -> None:
        before = self.at
        rows = [[0, 0], list(margins[:2]), list(margins[2:]), [0, 0]]
        shape = [extent + sum(more) for extent, more in zip(self.b.shape(before), rows, strict=True)]
        quantization = self.b.tensors[before].quantization
        self.at = self.b.tensor(shape, scale=quantization.scale[0], zero_point=int(quantization.zeroPoint[0]))
        self.b.operator("PAD", [before, self.b.constant(rows, np.int32)], [self.at], "PadOptions")

    def residual(self, inner: int) -> None:
        before = self.at
        self.bottleneck(inner, self.b.shape(before)[3], window=(3, 3))
        total = self.b.tensor(self.b.shape(before), scale=0.1, zero_point=3)
        self.b.operator("ADD", [before, self.at], [total], "AddOptions")
        self.at = total

    def build(self) -> bytes:
        return self.b.build([self.at])


def network(seed: int, size: tuple[int, int] = (40, 36)) -> bytes:
    """Like the first layers of MobileNetV2: bottlenecks of falling resolution, some with residuals."""
    blocks = _Blocks(np.random.default_rng(seed), size, 3)
    blocks.convolution(8, (3, 3))
    blocks.bottleneck(48, 8, window=(3, 3), stride=(2, 2))
    blocks.residual(48)
    blocks.bottleneck(44, 12, window=(5, 5), stride=(2, 2))
    blocks.residual(70)
    return blocks.build()


def everything_fused(graph: Graph, height: int = 0) -> Graph:
    """All bottlenecks as one operator each, of the first height that they have, or of another."""
    while found := next(bottlenecks(graph), None):
        choices = list(fuse(graph, found))
        graph = choices[height % len(choices)]
    return graph


def program_of(model: bytes, prefix: str, options: Options | None = None, height: int = 0) -> Program:
    """The model with all bottlenecks fused, of kernels for the DSP extension: those that the search comes from."""
    options, source = options or Options(minimize="sram"), supported(model, prefix)
    graph = rewrite(source)
    graph = everything_fused(select_kernels(pull_input(graph) if options.input == "pull" else graph, {"dsp"}), height)
    planned = plan_graph(graph, options)
    validate(planned.lowered.network, planned.schedule, planned.plan)
    emission = emit(planned.graph, planned.lowered, planned.schedule, planned.plan, prefix, {}, ())
    return Program(prefix, options, source, planned, emission)


def fused_in(program: Program) -> int:
    return sum(isinstance(op, InvertedBottleneck) for op in program.lowered.operators)


def check(models: list[bytes], programs: list[Program]) -> None:
    """Compares with TFLM, and runs everything under the sanitizers."""
    run_sanitized(programs)
    with Tflm() as oracle, on_host(programs) as runners:
        for index, (model, program, runner) in enumerate(zip(models, programs, runners, strict=True)):
            inputs = random_samples(program.source.inputs, 3, seed=index)
            for sample, theirs in zip(inputs, oracle.run(model, inputs), strict=True):
                ours = runner.run_rows(sample) if program.options.input == "pull" else runner.run(sample)
                assert np.array_equal(ours[0], theirs.outputs[0]), f"network {index}: {program.planned.graph}"


def windows() -> Iterator[dict[str, object]]:
    for kernel, stride, padding in itertools.product([(3, 3), (5, 5), (7, 7), (1, 1), (2, 3)], [1, 2, 3], ["SAME", "VALID"]):
        yield {"window": kernel, "stride": (stride, stride), "padding": padding}
    yield {"window": (3, 5), "stride": (1, 2)}
    yield {"window": (4, 2), "stride": (2, 1)}


def test_every_window() -> None:
    rng, models = np.random.default_rng(0), []
    for window in windows():
        for _ in HEIGHTS:
            blocks = _Blocks(rng, (int(rng.integers(7, 12)), int(rng.integers(7, 14))), int(rng.integers(1, 9)))
            blocks.bottleneck(int(rng.integers(1, 27)), int(rng.integers(1, 14)), **window)
            models.append(blocks.build())
    programs = [program_of(model, f"m{index}", height=index) for index, model in enumerate(models)]
    assert all(fused_in(program) == 1 for program in programs)
    check(models, programs)


def test_padding_folded_in_may_be_wider_than_the_window() -> None:
    rng, models = np.random.default_rng(1), []
    for margins in ((0, 1, 0, 1), (2, 0, 1, 3), (4, 4, 4, 4), (0, 5, 5, 0)):
        for stride in (1, 2):
            blocks = _Blocks(rng, (6, 9), 5)
            blocks.convolution(10)
            blocks.pad(*margins)
            blocks.convolution(0, (3, 3), (stride, stride), "VALID")
            blocks.convolution(7)
            models.append(blocks.build())
    programs = [program_of(model, f"m{index}", height=index) for index, model in enumerate(models)]
    assert all(fused_in(program) == 1 for program in programs)
    check(models, programs)


def test_networks_under_every_schedule() -> None:
    choices = (
        Options(schedule="layer", minimize="sram"),
        Options(schedule="stream", minimize="sram"),
        Options(schedule="stream", sram=1 << 20),
        Options(schedule="stream", minimize="sram", input="pull"),
    )
    cases = [(network(seed, size), options) for seed, size in enumerate([(40, 36), (21, 13), (30, 30)]) for options in choices]
    programs = [program_of(model, f"m{index}", options, index // len(choices)) for index, (model, options) in enumerate(cases)]
    assert all(fused_in(program) == 4 for program in programs)
    check([model for model, _ in cases], programs)


def test_only_what_nobody_else_reads_is_fused() -> None:
    blocks = _Blocks(np.random.default_rng(2), (8, 8), 4)
    blocks.convolution(16)
    expanded = blocks.at
    blocks.convolution(0, (3, 3))
    blocks.convolution(4)
    for outputs in ([blocks.at], [blocks.at, expanded]):
        graph = rewrite(supported(blocks.b.build(outputs), "m"))
        assert len(list(bottlenecks(graph))) == (len(outputs) == 1)


def test_work_is_counted_as_it_is_done() -> None:
    blocks = _Blocks(np.random.default_rng(3), (8, 6), 4)
    blocks.bottleneck(16, 5, window=(3, 3))
    graph = rewrite(supported(blocks.build(), "m"))
    (fused,) = everything_fused(graph).operators
    expand, depthwise, project = graph.operators
    rows = 3 * 8 - 2  # the first and the last row have windows of two
    assert fused.macs == rows * 6 * 16 * 4 + depthwise.macs + project.macs
    assert fused.macs - graph.macs == (rows - 8) * 6 * 16 * 4
    assert expand.macs == 8 * 6 * 16 * 4
    assert function_of(fused) == "mcu_inverted_bottleneck"


@pytest.mark.parametrize("feed", ["whole", "pull"])
def test_the_search_fuses_where_that_lowers_the_peak_within_the_budget(feed: str) -> None:
    graph = rewrite(supported(network(4), "m"))
    graph = pull_input(graph) if feed == "pull" else graph
    for budget in (1.0, 1.3, 2.0):
        found = list(recomputed_maps(graph, budget * graph.macs))
        assert [peak for peak, _ in found] == sorted({peak for peak, _ in found}, reverse=True)
        assert all(each.macs <= budget * graph.macs for _, each in found)
        assert bool(found) == (budget > 1)


def test_a_budget_of_work_lowers_the_arena() -> None:
    model = network(5, (48, 48))
    once, twice = (tflm_mcunet.compile(model, minimize="sram", input="pull", macs_budget=budget) for budget in (1.0, 2.0))
    assert fused_in(once.program) == once.report["macs_recomputed"] == 0 < twice.report["macs_recomputed"]
    assert fused_in(twice.program)
    assert twice.report["sram"]["arena"] < 0.85 * once.report["sram"]["arena"]
    limit = once.report["sram"]["arena"] - 1
    fitting = tflm_mcunet.compile(model, sram=limit, input="pull", macs_budget=2.0)
    assert fitting.report["sram"]["arena"] <= limit
    assert fitting.report["macs_recomputed"] <= twice.report["macs_recomputed"]
    assert all(each.verify(samples=2).passed for each in (twice, fitting))


@pytest.mark.skipif(not VWW.exists(), reason="needs the reference models")
def test_mcunet_takes_a_sixth_less() -> None:
    options = {"target": "cortex-m7", "io": "int8", "minimize": "sram", "input": "pull"}
    once, more = (tflm_mcunet.compile(VWW, macs_budget=budget, **options) for budget in (1.0, 1.1))  # type: ignore[arg-type]
    assert more.report["sram"]["arena"] < 0.86 * once.report["sram"]["arena"]
    assert more.report["macs_recomputed"] <= 0.1 * more.program.source.macs
    assert more.verify(samples=2).passed
