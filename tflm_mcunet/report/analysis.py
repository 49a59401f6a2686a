"""Everything that the page about one model shows, as data: docs/schemas/analysis.schema.json."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from tflm_mcunet import targets
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.compiler import build, prepared
from tflm_mcunet.fit import DoesNotFit
from tflm_mcunet.front import WHOLE, front_above, least_plan
from tflm_mcunet.graph import Graph
from tflm_mcunet.options import Options
from tflm_mcunet.passes.patches import PatchError
from tflm_mcunet.report import page
from tflm_mcunet.report.timeline import timeline


@dataclass(frozen=True)
class Analysis:
    """All that is known of a model on a board; in a notebook it shows itself as the page.

    Attributes:
        data: docs/schemas/analysis.schema.json.
    """

    data: dict[str, Any]

    @property
    def html(self) -> str:
        """The page, self-contained."""
        return page.page(self.data)

    def save(self, path: str) -> None:
        """Writes the page; raises Error where that fails."""
        page.write(self.html, path)

    def _repr_html_(self) -> str:
        return page.embedded(self.html, 900)


Say = Callable[[str], None]


def analyze(
    model: bytes, source: str, options: Options, *, on: str | None = None, say: Say = lambda text: None
) -> dict[str, Any]:
    """The report of the model as the options choose it, SRAM over time, other schedules, and the front of SRAM against work.

    A model that does not fit is analysed all the same: `problem` then says by how much it misses and what would help.

    Args:
        on: emulated core on which one inference is measured too.
        say: is told what is being done.

    Raises:
        Error: the model cannot be compiled, or a tool to measure with is missing.
    """
    say("compiling")
    compiled = Compiled(model, build(model, source, options, must_fit=False))
    program = compiled.program
    graph = prepared(program.source, options)
    with ProcessPoolExecutor(1) as other:
        say("comparing schedules")
        patches = other.submit(_in_patches, program.source, graph, options)
        least = {way: least_plan(graph, options, way) for way in WHOLE}
        points = front_above(graph, options, least)
        measured = None
        if on is not None:
            say(f"measuring on {on}")
            measured = _measured(compiled, on)
        layer, stream = (timeline(least[way], options, way) for way in WHOLE)
        ways = [timeline(program.planned, options, "chosen"), layer, patches.result(), stream]
    return {
        "report": compiled.report,
        "board": targets.as_dict(options.board),
        "problem": _problem(model, source, options) if not compiled.report["verdict"]["fits"] else None,
        "memory": [way for way in ways if way is not None],
        "front": [point.as_dict() for point in points],
        "measured": measured,
    }


def _in_patches(original: Graph, graph: Graph, options: Options) -> dict[str, Any] | None:
    """The smallest arena that patches reach with the input whole; None where the model has no part that they could run."""
    if options.input == "pull":
        options = replace(options, input="whole")
        graph = prepared(original, options)
    try:
        return timeline(least_plan(graph, options, "patch"), options, "patch")
    except PatchError:
        return None


def _problem(model: bytes, source: str, options: Options) -> str:
    """What `compile` says about a model that does not fit."""
    try:
        build(model, source, options)
    except DoesNotFit as error:
        return str(error)
    raise AssertionError("the verdict and the compiler disagree")


def _measured(compiled: Compiled, on: str) -> dict[str, Any]:
    """What `bench --profile` prints, and the code of every C function."""
    from tflm_mcunet.report.measurement import as_dict

    execution = compiled.bench(on=on, profile=True)
    return {**as_dict(compiled.report, execution, profile=True), "code": dict(execution.code)}
