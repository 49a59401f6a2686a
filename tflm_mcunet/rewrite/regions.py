"""Which operators become a stage: those that are supported, and among them the region that shrinks TFLM's arena most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from patch_scheduler.cuts import StagePeaks
from patch_scheduler.geometry import Int
from tflm_mcunet.codegen.lower import lower
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Graph
from tflm_mcunet.options import OptionError, Options
from tflm_mcunet.passes import PASSES, remove_dead_channels, rewrite
from tflm_mcunet.rewrite.model import Model, Region
from tflm_mcunet.rewrite.places import ALIGNMENT, Span, spans_of
from tflm_mcunet.tflite.reader import read

SLACK = 1.25
"""With so many times their least memory stages run about as fast as with any amount (benchmarks/sram)."""


class NoRegion(Error):
    """There is no region that could be rewritten, or none that is worth it."""


@dataclass(frozen=True)
class Candidate:
    """A region, and an estimate of the least arena of the model with a stage in its place."""

    region: Region
    arena: int


class Regions:
    """The supported operators of a model and what stages in their place would save."""

    def __init__(self, model: Model, options: Options) -> None:
        self.model, self.options = model, options

    @cached_property
    def faults(self) -> list[str | None]:
        """Per operator why it cannot be part of a stage, or None."""
        return [self._fault(index) for index in range(len(self.model.operators))]

    def _fault(self, index: int) -> str | None:
        region = Region(index, index + 1)
        inputs = self.model.reads(region) or self.model.inputs[:1]  # of constants alone: folded away with its neighbours
        outputs = self.model.operators[index].vector(2).values()
        try:
            for op in read(self.model.extract(region, inputs, outputs), "operator").operators:
                op.check()
        except Error as error:
            return re.sub(r"^operator \d+", f"operator {index}", str(error))
        return None

    @property
    def runs(self) -> Iterator[Region]:
        """The longest regions of supported operators."""
        start = 0
        for index, fault in enumerate([*self.faults, ""]):
            if fault is not None:
                if start < index:
                    yield Region(start, index)
                start = index + 1

    @cached_property
    def live(self) -> Int:
        """Bytes of tensors that live while each operator runs, as TFLM keeps them."""
        live = np.zeros(len(self.model.operators) + 1, np.int64)
        for span in spans(self.model):
            live[span.first : span.last + 1] += span.size
        return live

    @property
    def before(self) -> int:
        """The least arena of tensors for TFLM as the model is."""
        return int(self.live.max())

    def needed_after(self, region: Region, tensor: int) -> bool:
        """Whether a tensor that a region reads is needed when it has run."""
        later = self.model.operators[region.last :]
        return tensor in self.model.outputs or any(tensor in op.vector(1).values() for op in later)

    def best(self) -> Candidate:
        """The candidate with the least arena, of those the one with the fewest operators.

        Raises:
            NoRegion: no operator is supported, or no region saves anything.
        """
        candidates = [candidate for run in self.runs for candidate in self._within(run)]
        if not candidates:
            raise NoRegion(f"no operator can be rewritten: {next(filter(None, self.faults), 'the model has none')}")
        best = min(candidates, key=lambda c: (c.arena, c.region.last - c.region.first, c.region.first))
        if best.arena >= self.before:
            raise NoRegion(f"no region would shrink TFLM's arena ({self.before} bytes of tensors); choose one with --region")
        return best

    def rooms(self, region: Region) -> tuple[int, int]:
        """Bytes for a stage: its least and SLACK times that, neither below what the rest of the model needs anyway."""
        peak = int(_least(StagePeaks(lower(self._optimised(region)).network).peak)[0, -1])
        outside = max(int(self.live[: region.first + 1].max()), int(self.live[region.last + 1 :].max(initial=0)))
        free = outside - self._through(region)
        return max(peak, free), max(int(SLACK * peak), free)

    def _optimised(self, region: Region) -> Graph:
        """The graph of a region after the passes."""
        passes = PASSES if self.options.dead_channels else tuple(p for p in PASSES if p is not remove_dead_channels)
        return rewrite(read(self.model.extract(region, self.model.reads(region), self.model.writes(region)), "region"), passes)

    def _within(self, run: Region) -> Iterator[Candidate]:
        """All regions of a run, cut where an operator of the optimised graph ends."""
        if not self.model.reads(run) or not self.model.writes(run):
            return
        lowered = lower(self._optimised(run))
        ends = [run.first, *(run.first + op.index + 1 for op in lowered.operators)]
        peaks = _least(StagePeaks(lowered.network).peak)
        before = np.maximum.accumulate(self.live)  # the moment before operator i has number i, that of operator i number i + 1
        after = np.append(np.maximum.accumulate(self.live[::-1])[::-1], 0)
        through = self._through(run)
        for low in range(len(ends)):
            for high in range(low + 1, len(ends)):
                first, last = ends[low], ends[high]
                if first < last and self.model.reads(Region(first, last)):
                    arena = max(before[first], after[last + 1], peaks[low, high] + through)
                    yield Candidate(Region(first, last), -(-int(arena) // ALIGNMENT) * ALIGNMENT)

    def _through(self, run: Region) -> int:
        """Bytes that lie in the arena all through a region without being read in it."""
        reads = self.model.reads(run)
        return sum(s.size for s in spans(self.model) if s.first <= run.first and s.last > run.last and s.tensor not in reads)


def _least(peak: Int) -> Int:
    """The least peak of every region, by the best cuts within it."""
    best = peak.copy()
    for length in range(2, len(peak)):
        for first in range(len(peak) - length):
            last = first + length
            inner = np.maximum(best[first, first + 1 : last], peak[first + 1 : last, last])
            best[first, last] = min(best[first, last], inner.min())
    return best


def spans(model: Model) -> list[Span]:
    """When the computed tensors of subgraph 0 are in TFLM's arena."""
    operators = [(_present(op.vector(1).values()), op.vector(2).values()) for op in model.operators]
    sizes = {tensor: model.size(tensor) for tensor in range(len(model.tensors)) if model.computed(tensor)}
    return spans_of(sizes, operators, model.inputs, model.outputs)


def _present(numbers: list[int]) -> list[int]:
    return [n for n in numbers if n >= 0]


def parse_region(text: str, operators: int) -> Region:
    """A region written as FIRST:LAST, where LAST is not part of it, and either may be left out.

    Raises:
        OptionError: it makes no sense for a model with so many operators.
    """
    match = re.fullmatch(r"\s*(\d*)\s*:\s*(\d*)\s*", text)
    if match is None or len(text) > 40:
        raise OptionError(f"--region {text[:40]}: write FIRST:LAST, numbers of operators, such as 0:12")
    region = Region(int(match[1] or 0), int(match[2] or operators))
    if match[2] and region.first >= region.last:
        raise OptionError(f"--region {text}: FIRST must be below LAST, which is not part of the region")
    if region.last > operators or region.first >= operators:
        raise OptionError(
            f"--region {text}: the model has {operators} operators, 0 to {operators - 1}; all of them are 0:{operators}"
        )
    return region
