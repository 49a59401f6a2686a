"""Rewritten models: what changes, what does not, and that TFLM's own interpreter computes the same bytes with them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.mutate import mutate
from tests.models import small_network
from tests.networks.expose import unpack
from tests.networks.generate import generate_seeded
from tests.oracle import random_samples
from tests.rewrite import tflm
from tests.rewrite.networks import with_second_subgraph, with_unsupported
from tests.rewrite.rest import PLACES, assert_rest_is_untouched, stages
from tflm_mcunet.compiler import build
from tflm_mcunet.errors import Error
from tflm_mcunet.execute.tflm import Tflm, TflmError
from tflm_mcunet.graph import Tensor
from tflm_mcunet.operators import OPERATORS
from tflm_mcunet.options import Options
from tflm_mcunet.rewrite import Rewritten, rewrite
from tflm_mcunet.rewrite.model import Model
from tflm_mcunet.rewrite.places import Inside, Span, height, place
from tflm_mcunet.rewrite.regions import SLACK, Regions, spans

QUICK = ("mlperf_kws_dscnn", "tflm_person_detect")
SLOW = (
    "mcunet_in3_320kb",
    "mcunet_vww1_80",
    "mlperf_ic_resnet8",
    "mlperf_vww_mobilenet96",
    "person_detection_fpn",
    "tflm_micro_speech",
)

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"


def edges(model: bytes) -> tuple[list[Tensor], int]:
    """The inputs of any model, for random samples, and the number of its outputs."""
    types = {0: np.float32, 2: np.int32, 3: np.uint8, 4: np.int64, 6: np.bool_, 7: np.int16, 9: np.int8}
    graph = unpack(model).subgraphs[0]
    tensors = [graph.tensors[i] for i in graph.inputs]
    return [Tensor(t.name.decode(), tuple(t.shape), np.dtype(types[t.type])) for t in tensors], len(graph.outputs)


def assert_same_in_tflm(model: bytes, rewritten: Rewritten, samples: int = 3, *, other: bytes | None = None) -> tflm.Run:
    """Every output byte is that of the original in the same interpreter; returns the run."""
    inputs, outputs = edges(model)
    batch = random_samples(inputs, samples)
    with Tflm() as oracle:
        expected = [result.outputs for result in oracle.run(model, batch)]
    run = tflm.run(rewritten, batch, outputs, other)
    for ours, theirs in zip(run.outputs, expected, strict=True):
        for mine, reference in zip(ours, theirs, strict=True):
            assert mine.dtype == reference.dtype
            assert mine.shape == reference.shape
            assert mine.tobytes() == reference.tobytes()
    return run


def places(model: bytes) -> dict[int, int]:
    """The offsets in the model's metadata."""
    tree = unpack(model)
    entry = next(entry for entry in tree.metadata if entry.name == PLACES)
    version, subgraph, count, *offsets = struct.unpack(
        f"<{len(tree.buffers[entry.buffer].data) // 4}i", tree.buffers[entry.buffer].data
    )
    assert (version, subgraph, count) == (1, 0, sum(len(graph.tensors) for graph in tree.subgraphs))
    return {tensor: offset for tensor, offset in enumerate(offsets) if offset >= 0}


def assert_plan_holds(rewritten: Rewritten) -> None:
    """No two tensors share a byte at one time, but for a stage's arena and what lies in it while the stage runs."""
    offsets, tree = places(rewritten.model), unpack(rewritten.model)
    placed = [span.at(offsets[span.tensor]) for span in spans(Model(rewritten.model))]
    running = {int(op.outputs[-1]): {*map(int, op.inputs), *map(int, op.outputs)} for op in stages(rewritten.model)}
    when = {int(op.outputs[-1]): i for i, op in enumerate(tree.subgraphs[0].operators, 1) if int(op.outputs[-1]) in running}
    assert all(span.offset % 16 == 0 for span in placed)
    assert height(placed) == rewritten.after
    for number, a in enumerate(placed):
        for b in placed[:number]:
            together = range(max(a.first, b.first), min(a.last, b.last) + 1)
            allowed = {when[arena] for arena, edge in running.items() if {a.tensor, b.tensor} <= edge}
            assert not a.collides(b) or set(together) <= allowed, (a, b)


# ---- what is written ----


@pytest.mark.parametrize("regions", [[], ["0:3"], ["1:3", "4:7"], ["4:5"], ["2:3", "4:6", "6:"]], ids=str)
def test_unsupported_operators_stay_outside(regions: list[str]) -> None:
    model = with_unsupported()
    rewritten = rewrite(model, "net.tflite", regions=regions)
    cut = [(stage.replacement.region.first, stage.replacement.region.last) for stage in rewritten.stages]
    assert regions or cut == [(0, 3)] or cut == [(0, 2)]
    assert_rest_is_untouched(model, rewritten.model, cut)
    assert_plan_holds(rewritten)
    run = assert_same_in_tflm(model, rewritten)
    assert run.tensors == rewritten.after


def test_arena_shrinks() -> None:
    rewritten = rewrite(with_unsupported(), "net.tflite")
    assert rewritten.before >= 24 * 20 * 3 + 24 * 20 * 16
    assert rewritten.after < 0.4 * rewritten.before


def test_weights_move() -> None:
    """What only the region used is no longer in the model; what others use is."""
    model = small_network()
    rewritten = rewrite(model, "net.tflite", everything=True)
    assert_rest_is_untouched(model, rewritten.model, [(0, 3)])
    tree = unpack(rewritten.model)
    assert len(tree.operatorCodes) == 1
    assert len(tree.subgraphs[0].tensors) == 3  # input, output and the stage's arena
    assert sum(buffer.data is not None for buffer in tree.buffers) == 1  # the plan
    for buffer in unpack(model).buffers:
        assert buffer.data is None or len(buffer.data) < 16 or buffer.data.tobytes() not in rewritten.model


@pytest.mark.parametrize("model", [small_network(), small_network(float_edges=True)], ids=["int8", "float"])
def test_everything(model: bytes) -> None:
    rewritten = rewrite(model, "net.tflite", everything=True)
    run = assert_same_in_tflm(model, rewritten)
    assert run.tensors == rewritten.after == -(-rewritten.stages[0].compiled.program.plan.arena // 16) * 16


def test_other_subgraphs_stay() -> None:
    model = with_second_subgraph(with_unsupported())
    rewritten = rewrite(model, "net.tflite", regions=["0:3"])
    assert_rest_is_untouched(model, rewritten.model, [(0, 3)])
    assert_plan_holds(rewritten)


def test_rewritten_twice() -> None:
    """A stage is an operator like any other that only TFLM runs; the second one has another number."""
    model = with_unsupported()
    first = rewrite(model, "net.tflite", regions=["0:3"])
    second = rewrite(first.model, "again.tflite", regions=["2:"])
    assert [stage.name for stage in second.stages] == ["TFLM_MCUNET_STAGE_1"]
    assert len(stages(second.model)) == 2
    assert_plan_holds(second)


def test_deterministic() -> None:
    assert rewrite(with_unsupported(), "net").model == rewrite(with_unsupported(), "net").model


# ---- in TFLM's interpreter ----


def test_any_other_plan_works() -> None:
    """Where TFLM places tensors by itself, stages copy their edges."""
    model = with_unsupported()
    rewritten = rewrite(model, "net.tflite", regions=["1:3", "4:6"])
    anywhere = Model(model).replaced([s.replacement for s in rewritten.stages], lambda result: [-1] * len(result.tensors))
    run = assert_same_in_tflm(model, rewritten, other=anywhere)
    assert run.tensors > rewritten.after


def test_stage_of_another_model_is_refused() -> None:
    """TFLM refuses the model when the C belongs to another one."""
    rewritten = rewrite(with_unsupported(), "net.tflite", regions=["0:3"])
    other = rewrite(with_unsupported(), "net.tflite", Options(schedule="layer"), regions=["0:3"])
    inputs, outputs = edges(with_unsupported())
    with pytest.raises(tflm.Refused, match="TFLM_MCUNET_STAGE_0 was compiled for another model"):
        tflm.run(rewritten, random_samples(inputs, 1), outputs, other.model)


@pytest.mark.parametrize("first", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(100, 1000, 100))])
def test_random_networks(first: int) -> None:
    """Random regions of random networks."""
    done = 0
    for seed in range(first, first + (100 if first else 5)):
        model = generate_seeded(seed, OPERATORS, operators=10).model
        rng = np.random.default_rng(seed)
        cuts = sorted(rng.choice(len(Model(model).operators) + 1, 2, replace=False).tolist())
        try:
            rewritten = rewrite(model, "net.tflite", regions=[f"{cuts[0]}:{cuts[1]}"])
        except Error:
            continue  # nothing in it is computed at run time
        assert_rest_is_untouched(model, rewritten.model, [(cuts[0], cuts[1])])
        assert_plan_holds(rewritten)
        try:
            assert_same_in_tflm(model, rewritten, 2)
        except TflmError:
            continue  # TFLM does not run the original
        done += 1
    assert done


@pytest.mark.skipif(not MODELS.exists(), reason="there is no ../shared/models")
@pytest.mark.parametrize("everything", [False, True])
@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_published_models(name: str, everything: bool) -> None:
    model = (MODELS / f"{name}.tflite").read_bytes()
    rewritten = rewrite(model, f"{name}.tflite", everything=everything)
    regions = [(stage.replacement.region.first, stage.replacement.region.last) for stage in rewritten.stages]
    assert_rest_is_untouched(model, rewritten.model, regions)
    assert_plan_holds(rewritten)
    run = assert_same_in_tflm(model, rewritten, 2)
    assert run.tensors == rewritten.after < rewritten.before


# ---- the region, the plan ----


def test_region_is_the_best_of_all() -> None:
    """The chosen region's arena is the least of those that regions with the same ends get when they are rewritten."""
    model = with_unsupported()
    least = Options(minimize="sram")
    best = rewrite(model, "net.tflite", least)
    assert best.after == min(rewrite(model, "net.tflite", least, regions=[f"0:{last}"]).after for last in (1, 2, 3))
    assert Regions(Model(model), Options()).best().arena <= best.after


def test_room_for_speed() -> None:
    """A stage is at most SLACK times as large as it could be, unless the rest is larger."""
    least, fast = (
        rewrite(with_unsupported(), "net.tflite", Options(minimize=how), regions=["0:3"]) for how in ("sram", "latency")
    )
    assert least.after <= fast.after <= SLACK * least.after + 16


def test_wishes_that_contradict_are_left_out() -> None:
    """A tensor cannot lie at two places of one arena's body; nothing overlaps then."""
    spans_ = [Span(0, 64, 0, 1), Span(1, 128, 1, 1), Span(2, 64, 1, 3), Span(3, 128, 3, 3), Span(4, 64, 2, 3)]
    wishes = [Inside(0, 1, 0), Inside(2, 1, 64), Inside(2, 3, 0), Inside(4, 3, 0)]
    offsets = place(spans_, wishes)
    assert offsets[0] == offsets[1]
    assert offsets[2] == offsets[1] + 64 == offsets[3]
    assert abs(offsets[4] - offsets[2]) >= 64


# ---- refusals ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"regions": ["3:4"]}, r"region 3:4: operator 3 \(ABS .*not supported.*; leave this operator outside"),
        ({"everything": True}, r"region 0:7: operator 3 \(ABS"),
        ({"regions": ["5"]}, r"--region 5: write FIRST:LAST"),
        ({"regions": ["5:99"]}, r"--region 5:99: the model has 7 operators, 0 to 6; all of them are 0:7$"),
        ({"regions": ["7:"]}, r"--region 7:: the model has 7 operators, 0 to 6"),
        ({"regions": ["5:5"]}, r"FIRST must be below LAST"),
        ({"regions": ["9:8"]}, r"--region 9:8: FIRST must be below LAST"),
        ({"regions": ["9:"]}, r"--region 9:: the model has 7 operators"),
        ({"regions": ["0:2", "1:3"]}, r"--region 0:2 and --region 1:3 overlap"),
        ({"regions": ["0:2"], "everything": True}, r"exclude each other"),
        ({"options": Options(io="int8")}, r"--io int8: rewrite keeps the edges"),
        ({"options": Options(input="pull")}, r"--input pull: TFLM holds the whole input"),
        ({"options": Options(extras=("self-test",))}, r"--with self-test: .*external-weights, hooks"),
        ({"options": Options(sram=1000)}, r"1000"),
    ],
)
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(Error, match=message):
        rewrite(with_unsupported(), "net.tflite", **arguments)


def test_compile_names_the_way_out() -> None:
    with pytest.raises(Error, match=r"ABS.*tflm-mcunet rewrite compiles a part of the model and leaves the rest to TFLM"):
        build(with_unsupported())


def test_damaged_models() -> None:
    """Every damage ends in a rewritten model or in one line."""
    model, messages = with_unsupported(), []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        try:
            rewrite(mutate(model, rng)[1], "net.tflite", regions=["0:2"] if seed % 2 else [])
        except Error as error:
            messages.append(str(error))
    assert messages
    assert all(text and "\n" not in text for text in messages)
