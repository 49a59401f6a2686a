"""Proves a plan by replaying its events over an array that says which row owns each arena byte.

It shares nothing with the planner but the geometry, and trusts neither the schedule nor the offsets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from patch_scheduler.geometry import Access, Int, Network
from patch_scheduler.plan import Plan
from patch_scheduler.schedule import Event, Schedule

NOBODY = -1
ALIGNMENT = 8  # of scratch and state


class InvalidPlan(ValueError):
    """The schedule or the plan would compute something else than the network."""


@dataclass(frozen=True)
class _Region:
    """Bytes [low, high) that one event uses, for messages and for overlap checks."""

    what: str
    low: int
    high: int


def validate(network: Network, schedule: Schedule, plan: Plan) -> None:
    """Raises InvalidPlan where a byte is out of place, unwritten or destroyed when it is needed."""
    replay = _Replay(network, schedule, plan)
    replay.check_places()
    replay.fill_inputs()
    for event in schedule.events:
        replay.run(event)
    replay.finish()


class _Replay:
    def __init__(self, network: Network, schedule: Schedule, plan: Plan) -> None:
        self.network, self.schedule, self.plan = network, schedule, plan
        self.owner = np.full(max(plan.arena, 0), NOBODY, np.int32)
        rows = [tensor.rows for tensor in network.tensors]
        self.base = np.concatenate(([0], np.cumsum(rows))).astype(np.int32)
        self.stamp = [
            np.repeat(np.arange(first, first + tensor.rows, dtype=np.int32), tensor.row_bytes)
            for first, tensor in zip(self.base, network.tensors, strict=False)
        ]
        self.written = [np.zeros(count, bool) for count in rows]
        self.done = [0] * len(network.operators)
        self.total_rows = int(self.base[-1])

    # places ---------------------------------------------------------------------------------------------------------

    def check_places(self) -> None:
        """Everything lies inside the arena at an aligned offset, and everything that is needed has a place."""
        if len(self.plan.tensors) != len(self.network.tensors):
            raise InvalidPlan(f"{len(self.plan.tensors)} offsets for {len(self.network.tensors)} tensors")
        for tensor, offset in zip(self.network.tensors, self.plan.tensors, strict=True):
            self._check_place(f"tensor '{tensor.name}'", offset, tensor.size, tensor.alignment)
        for index, operator in enumerate(self.network.operators):
            for what, size, offsets in (
                ("scratch", self._scratch_size(index), self.plan.scratch),
                ("state", operator.state, self.plan.state),
            ):
                if size and index not in offsets:
                    raise InvalidPlan(f"operator '{operator.name}' has no place for its {what}")
                if size:
                    self._check_place(f"{what} of operator '{operator.name}'", offsets[index], size, ALIGNMENT)

    def _check_place(self, what: str, offset: int, size: int, alignment: int) -> None:
        if offset < 0 or offset + size > self.plan.arena:
            raise InvalidPlan(f"{what}: bytes {offset} to {offset + size} leave the arena of {self.plan.arena} bytes")
        if offset % alignment:
            raise InvalidPlan(f"{what}: offset {offset} is not a multiple of {alignment}")

    def _scratch_size(self, index: int) -> int:
        operator = self.network.operators[index]
        return operator.scratch + operator.scratch_per_step * min(self.schedule.block[index], operator.steps)

    # bytes ----------------------------------------------------------------------------------------------------------

    def _span(self, tensor: int, low: int, high: int) -> tuple[int, int]:
        size, offset = self.network.tensors[tensor].row_bytes, self.plan.tensors[tensor]
        return offset + low * size, offset + high * size

    def _row(self, tensor: int, row: int) -> str:
        return f"row {row} of tensor '{self.network.tensors[tensor].name}'"

    def _owner_name(self, owner: int) -> str:
        if owner == NOBODY:
            return "nobody"
        if owner < self.total_rows:
            tensor = int(np.searchsorted(self.base, owner, side="right")) - 1
            return self._row(tensor, owner - int(self.base[tensor]))
        kind, index = divmod(owner - self.total_rows, len(self.network.operators))
        return f"{('scratch', 'state')[kind]} of operator '{self.network.operators[index].name}'"

    def _expect(self, who: str, tensor: int, low: int, high: int) -> None:
        """Rows [low, high) are written and intact."""
        begin, end = self._span(tensor, low, high)
        size = self.network.tensors[tensor].row_bytes
        if not self.written[tensor][low:high].all():
            row = low + int(np.argmin(self.written[tensor][low:high]))
            raise InvalidPlan(f"{who} reads {self._row(tensor, row)} before it is written")
        wanted = self.stamp[tensor][low * size : high * size]
        if not np.array_equal(self.owner[begin:end], wanted):
            byte = begin + int(np.argmin(self.owner[begin:end] == wanted))
            row = self._row(tensor, (byte - self.plan.tensors[tensor]) // size)
            raise InvalidPlan(f"{who} reads {row}, but byte {byte} belongs to {self._owner_name(int(self.owner[byte]))}")

    def _write(self, who: str, tensor: int, low: int, high: int) -> None:
        """Rows [low, high) are written, for the first time."""
        if self.written[tensor][low:high].any():
            row = low + int(np.argmax(self.written[tensor][low:high]))
            raise InvalidPlan(f"{who} writes {self._row(tensor, row)} again")
        self.written[tensor][low:high] = True
        begin, end = self._span(tensor, low, high)
        size = self.network.tensors[tensor].row_bytes
        self.owner[begin:end] = self.stamp[tensor][low * size : high * size]

    # replay ---------------------------------------------------------------------------------------------------------

    def fill_inputs(self) -> None:
        for tensor in self.network.inputs:
            self._write("the application", tensor, 0, self.network.tensors[tensor].rows)
        for tensor in self.network.inputs:
            self._expect("the application", tensor, 0, self.network.tensors[tensor].rows)

    def run(self, event: Event) -> None:
        """Reads must be intact before the event; what it writes and its work memory must not touch what it reads."""
        index = event.operator
        operator = self.network.operators[index]
        who = f"operator '{operator.name}' (steps {event.first} to {event.last})"
        self._check_turn(event, who)
        reads = [(access, runs) for access in operator.reads if (runs := _runs(access, event))]
        writes = [(access, runs) for access in operator.writes if (runs := _runs(access, event))]
        for access, runs in reads:
            for low, high in runs:
                self._expect(who, access.tensor, low, high)
        work = self._work(event, who)
        sole = len(operator.writes) == 1 and len(_runs(operator.writes[0], event)) < 2
        self._check_apart(who, work)
        for access, runs in writes:
            for low, high in runs:
                self._check_clear(who, access, (low, high), reads, work, sole)
        self._check_reads(who, reads, work)
        for access, runs in writes:
            for low, high in runs:
                self._write(who, access.tensor, low, high)
        for access, runs in writes:  # two outputs over each other
            for low, high in runs:
                self._expect(who, access.tensor, low, high)

    def _check_turn(self, event: Event, who: str) -> None:
        """Steps come in order, each once, from the first to the last or the other way round."""
        operator, done = self.network.operators[event.operator], self.done[event.operator]
        if not 0 <= event.first < event.last <= operator.steps:
            raise InvalidPlan(f"{who}: no such steps")
        if event.last - event.first > self.schedule.block[event.operator]:
            raise InvalidPlan(f"{who}: more steps than its block of {self.schedule.block[event.operator]}")
        if self.schedule.reverse[event.operator]:
            if not operator.reversible:
                raise InvalidPlan(f"{who} cannot run in reverse")
            if event.last != operator.steps - done:
                raise InvalidPlan(f"{who}: its turn is step {operator.steps - done - 1}, downwards")
        elif event.first != done:
            raise InvalidPlan(f"{who}: its turn is step {done}")
        self.done[event.operator] += event.last - event.first

    def _work(self, event: Event, who: str) -> list[_Region]:
        """Scratch and state of the event, after a check that the state still is what the last event left."""
        index, operator = event.operator, self.network.operators[event.operator]
        count, work = len(self.network.operators), []
        if operator.state:
            begin, end = self.plan.state[index], self.plan.state[index] + operator.state
            mine = self.total_rows + count + index
            started = self.done[index] > event.last - event.first
            if started and not (self.owner[begin:end] == mine).all():
                byte = begin + int(np.argmax(self.owner[begin:end] != mine))
                other = self._owner_name(int(self.owner[byte]))
                raise InvalidPlan(f"{who} finds byte {byte} of its state overwritten by {other}")
            work.append(_Region("state", begin, end))
        scratch = operator.scratch + operator.scratch_per_step * (event.last - event.first)
        if scratch:
            work.append(_Region("scratch", self.plan.scratch[index], self.plan.scratch[index] + scratch))
        for region in work:
            self.owner[region.low : region.high] = self.total_rows + index + count * (region.what == "state")
        return work

    def _check_apart(self, who: str, work: list[_Region]) -> None:
        if len(work) == 2 and _overlap(work[0], work[1].low, work[1].high):
            raise InvalidPlan(f"{who}: state and scratch overlap")

    def _check_reads(self, who: str, reads: list[tuple[Access, list[tuple[int, int]]]], work: list[_Region]) -> None:
        for access, runs in reads:
            for low, high in runs:
                for region in work:
                    if _overlap(region, *self._span(access.tensor, low, high)):
                        raise InvalidPlan(f"{who}: its {region.what} overlaps {self._row(access.tensor, low)} or after")

    def _check_clear(
        self,
        who: str,
        access: Access,
        rows: tuple[int, int],
        reads: list[tuple[Access, list[tuple[int, int]]]],
        work: list[_Region],
        sole: bool,
    ) -> None:
        """Rows about to be written touch neither work memory nor rows being read, but for rows read in place."""
        begin, end = self._span(access.tensor, *rows)
        for region in work:
            if _overlap(region, begin, end):
                raise InvalidPlan(f"{who}: its {region.what} overlaps {self._row(access.tensor, rows[0])} or after")
        for source, runs in reads:
            for low, high in runs:
                from_, to = self._span(source.tensor, low, high)
                if begin >= to or from_ >= end:
                    continue
                if not (source.in_place and sole and self._ascends(access, rows, source, runs)):
                    raise InvalidPlan(
                        f"{who} overwrites {self._row(source.tensor, low)} or after, which it reads, "
                        f"with {self._row(access.tensor, rows[0])} or after"
                    )

    def _ascends(
        self, target: Access, rows: tuple[int, int], source: Access, runs: list[tuple[int, int]]
    ) -> bool:
        """Element i of the output never lies above element i of the input."""
        begin, _ = self._span(target.tensor, *rows)
        start, _ = self._span(source.tensor, *runs[0])
        written = (rows[1] - rows[0]) * self.network.tensors[target.tensor].row_bytes
        read = sum(high - low for low, high in runs) * self.network.tensors[source.tensor].row_bytes
        return begin <= start and written <= read

    def finish(self) -> None:
        """All steps ran, and all outputs are complete."""
        for operator, done in zip(self.network.operators, self.done, strict=True):
            if done != operator.steps:
                raise InvalidPlan(f"operator '{operator.name}' ran {done} of {operator.steps} steps")
        for tensor in self.network.outputs:
            self._expect("the application", tensor, 0, self.network.tensors[tensor].rows)


def _overlap(region: _Region, low: int, high: int) -> bool:
    return region.low < high and low < region.high


def _runs(access: Access, event: Event) -> list[tuple[int, int]]:
    """The rows that the event's steps touch, as maximal consecutive ranges."""
    low: Int = access.ranges.low[event.first : event.last]
    high: Int = access.ranges.high[event.first : event.last]
    if len(low) == 1:
        return [(int(low[0]), int(high[0]))] if high[0] > low[0] else []
    real = high > low
    low, high = low[real], high[real]
    if not len(low):
        return []
    split = np.flatnonzero(low[1:] > high[:-1]) + 1
    starts = low[np.concatenate(([0], split))]
    ends = high[np.concatenate((split - 1, [len(high) - 1]))]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
