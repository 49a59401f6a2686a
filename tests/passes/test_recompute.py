"""Maps computed twice across squeeze-and-excite: TFLM's bytes from every region and schedule, and less memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tflm_mcunet
from patch_scheduler import validate
from tests.build import ModelBuilder
from tests.networks.generate import generate_seeded
from tests.oracle import on_host, random_samples
from tflm_mcunet.codegen.emit import emit
from tflm_mcunet.compiler import Program, supported
from tflm_mcunet.execute.tflm import Tflm
from tflm_mcunet.gates import recomputed_maps
from tflm_mcunet.graph import Graph
from tflm_mcunet.options import Options
from tflm_mcunet.passes import pull_input, rewrite
from tflm_mcunet.passes.recompute import recompute, reductions, regions
from tflm_mcunet.planning import plan_graph

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "MUL", "LOGISTIC", "HARD_SWISH", "FULLY_CONNECTED", "RESHAPE", "SUM")


def gated_network(seed: int, size: tuple[int, int], blocks: int = 2, *, pooled: bool = False) -> bytes:
    """A convolution and inverted bottlenecks of stride 1 with squeeze-and-excite and residuals; `pooled`: by AVERAGE_POOL_2D."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()

    def conv(x: int, channels: int, window: int = 1, stride: int = 1, depthwise: bool = False, low: int = -128) -> int:
        _, height, width, depth = b.shape(x)
        shape = (1, window, window, depth) if depthwise else (channels, window, window, depth)
        weights = b.constant(rng.integers(-127, 128, shape), scale=rng.uniform(0.002, 0.01, channels), axis=3 * depthwise)
        y = b.tensor((1, -(-height // stride), -(-width // stride), channels), scale=0.1, zero_point=int(rng.integers(low, 60)))
        kind, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else ("CONV_2D", "Conv2DOptions")
        extra = {"depthMultiplier": 1} if depthwise else {}
        b.operator(kind, [x, weights], [y], options, strideH=stride, strideW=stride, fusedActivationFunction=1, **extra)
        return y

    def gate(x: int) -> int:
        _, height, width, depth = b.shape(x)
        mean = b.tensor((1, 1, 1, depth), scale=0.1, zero_point=-100)
        if pooled:
            window = {"filterHeight": height, "filterWidth": width, "strideH": 1, "strideW": 1, "padding": 1}
            b.tensors[mean].quantization = b.tensors[x].quantization
            b.operator("AVERAGE_POOL_2D", [x], [mean], "Pool2DOptions", **window)
        else:
            b.operator("MEAN", [x, b.constant([1, 2], np.int32)], [mean], "ReducerOptions", keepDims=True)
        factor = b.tensor((1, 1, 1, depth), scale=1 / 256, zero_point=-128)
        b.operator("LOGISTIC", [conv(conv(mean, 4), depth, low=0)], [factor])
        y = b.tensor(b.shape(x), scale=0.06, zero_point=-20)
        b.operator("MUL", [x, factor], [y], "MulOptions")
        return y

    x = conv(b.input((1, *size, 3), zero_point=-7), 6, 3, 2)
    for _ in range(blocks):
        y = conv(gate(conv(conv(x, 24), 24, 3, depthwise=True)), 6)
        total = b.tensor(b.shape(x), scale=0.15, zero_point=3)
        b.operator("ADD", [x, y], [total], "AddOptions")
        x = total
    return b.build([x])


def graphs_of(graph: Graph) -> Iterator[Graph]:
    """The graph with every region of every reduction computed twice, and with the largest of all."""
    everything = graph
    for op in list(reductions(graph)):
        for region in regions(graph, op):
            yield recompute(graph, op, region)
        for now in [each for each in reductions(everything) if each.outputs == op.outputs]:
            for region in list(regions(everything, now))[-1:]:
                everything = recompute(everything, now, region)
    if everything is not graph:
        yield everything


def programs_of(model: bytes, name: str) -> list[Program]:
    """All rewritten graphs under all schedules and input modes."""
    source, found = supported(model, name), []
    for options in (
        Options(schedule="layer", minimize="sram"),
        Options(schedule="stream", minimize="sram"),
        Options(schedule="stream", sram=1 << 20),
        Options(schedule="stream", minimize="sram", input="pull"),
    ):
        graph = rewrite(source)
        if options.input == "pull" and any(tensor.dtype != np.int8 or tensor in graph.outputs for tensor in graph.inputs):
            continue
        for changed in graphs_of(pull_input(graph) if options.input == "pull" else graph):
            assert changed.macs >= graph.macs
            assert len(changed.operators) > len(graph.operators)
            planned, prefix = plan_graph(changed, options), f"{name}_{len(found)}"
            validate(planned.lowered.network, planned.schedule, planned.plan)
            emission = emit(planned.graph, planned.lowered, planned.schedule, planned.plan, prefix, {}, ())
            found.append(Program(prefix, options, source, planned, emission))
    return found


def check(models: list[bytes]) -> int:
    """Compares all programs of all models with TFLM; returns how many there were."""
    programs = [programs_of(model, f"m{index}") for index, model in enumerate(models)]
    with Tflm() as oracle, on_host([each for found in programs for each in found]) as hosted:
        runners = iter(hosted)
        for index, (model, found) in enumerate(zip(models, programs, strict=True)):
            inputs = random_samples(supported(model, "m").inputs, 2, seed=index)
            expected = oracle.run(model, inputs)
            for program, runner in zip(found, runners, strict=False):
                for sample, theirs in zip(inputs, expected, strict=True):
                    ours = runner.run_rows(sample) if program.options.input == "pull" else runner.run(sample)
                    same = [np.array_equal(a, b) for a, b in zip(ours, theirs.outputs, strict=True)]
                    assert all(same), f"network {index}, {program.options}"
    return sum(map(len, programs))


def test_gated_networks_from_every_region() -> None:
    models = [gated_network(0, (16, 16)), gated_network(1, (19, 12), 3), gated_network(2, (13, 20), pooled=True)]
    assert check(models) >= 24


def test_random_networks_from_every_region() -> None:
    seeds = (20, 117, 135, 177, 206, 212, 216, 245, 268, 364, 367)  # of the first 400, those with such a gate
    assert check([generate_seeded(seed, KINDS).model for seed in seeds]) >= 66


def test_two_reductions_of_one_map_share_its_copy() -> None:
    rng = np.random.default_rng(0)
    b = ModelBuilder()
    x = b.input((1, 12, 10, 3))
    y = b.tensor((1, 12, 10, 16), scale=0.1, zero_point=5)
    b.operator(
        "CONV_2D", [x, b.constant(rng.integers(-127, 128, (16, 3, 3, 3)), scale=0.01)], [y], "Conv2DOptions", strideH=1, strideW=1
    )
    found = []
    for kind in ("MEAN", "REDUCE_MAX"):
        found.append(b.tensor((1, 1, 1, 16), scale=0.1, zero_point=5))
        b.operator(kind, [y, b.constant([1, 2], np.int32)], [found[-1]], "ReducerOptions", keepDims=True)
    joined, z = b.tensor((1, 1, 1, 16), scale=0.1), b.tensor((1, 12, 10, 16), scale=0.1)
    b.operator("ADD", found, [joined], "AddOptions")
    b.operator("MUL", [y, joined], [z], "MulOptions")
    model = b.build([z])
    graph = rewrite(supported(model, "two"))
    mean = next(reductions(graph))
    changed = recompute(graph, mean, next(regions(graph, mean)))
    assert [op.kind for op in changed.operators] == ["CONV_2D", "MEAN", "REDUCE_MAX", "ADD", "CONV_2D", "MUL"]
    assert not list(reductions(changed))
    assert check([model]) == 12


def test_the_search_recomputes_where_that_lowers_the_peak_within_the_budget() -> None:
    graph = pull_input(rewrite(supported(gated_network(3, (32, 32), 3), "m")))
    for budget, some in ((1.0, False), (2.0, True), (4.0, True)):
        found = list(recomputed_maps(graph, budget * graph.macs))
        assert [peak for peak, _ in found] == sorted({peak for peak, _ in found}, reverse=True)
        assert all(each.macs <= budget * graph.macs for _, each in found)
        assert bool(found) == some


def test_a_budget_of_work_lowers_the_arena() -> None:
    model = gated_network(3, (32, 32), 3)
    once, twice = (tflm_mcunet.compile(model, minimize="sram", input="pull", macs_budget=budget) for budget in (1.0, 3.0))
    assert twice.report["sram"]["arena"] < 0.8 * once.report["sram"]["arena"]
    assert twice.report["macs_recomputed"] > 0 == once.report["macs_recomputed"]
    limit = once.report["sram"]["arena"] - 1
    fitting = tflm_mcunet.compile(model, sram=limit, input="pull", macs_budget=3.0)
    assert fitting.report["sram"]["arena"] <= limit
    assert fitting.report["macs_recomputed"] <= twice.report["macs_recomputed"]
    assert all(each.verify(samples=2).passed for each in (twice, fitting))
