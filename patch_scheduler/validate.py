"""Proves a plan by replaying its events over an array that says which row owns each arena byte.

It shares nothing with the planner but the geometry, and trusts neither the schedule nor the offsets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from patch_scheduler.geometry import Access, Int, Network, Operator, whole
from patch_scheduler.plan import Plan
from patch_scheduler.schedule import Event, Schedule

NOBODY = -1
WORK_ALIGNMENT = 8


class InvalidPlan(ValueError):
    """The schedule or the plan would compute something else than the network."""


def validate(network: Network, schedule: Schedule, plan: Plan) -> None:
    """Raises InvalidPlan where a byte is misplaced, unwritten or destroyed by the time it is needed."""
    replay = _Replay(network, schedule, plan)
    replay.check_places()
    replay.fill_inputs()
    for event in schedule.events:
        replay.run(event)
    replay.finish()


@dataclass(frozen=True)
class _Rows:
    """Consecutive rows in consecutive bytes that one event reads or writes through one access.

    `before` are the bytes of the rows that the event handles before these through the same access.
    """

    access: Access
    low: int
    high: int
    begin: int
    end: int
    before: int


@dataclass(frozen=True)
class _Work:
    """The bytes of an operator's scratch or state."""

    what: str
    begin: int
    end: int


class _Replay:
    """The arena's owners and what has been written, while the events run one by one."""

    def __init__(self, network: Network, schedule: Schedule, plan: Plan) -> None:
        self.network, self.schedule, self.plan = network, schedule, plan
        rows = [tensor.rows for tensor in network.tensors]
        first = np.concatenate(([0], np.cumsum(rows))).astype(np.int32)
        self.first_owner, self.total_rows = first, int(first[-1])
        self.stamp = [
            np.repeat(np.arange(start, start + tensor.rows, dtype=np.int32), tensor.row_bytes)
            for start, tensor in zip(first[:-1], network.tensors, strict=True)
        ]
        self.owner = np.full(max(plan.arena, 0), NOBODY, np.int32)
        self.written = [np.zeros(count, bool) for count in rows]
        self.done = [0] * len(network.operators)
        accesses = [access for operator in network.operators for access in (*operator.reads, *operator.writes)]
        self.dense = {access.tensor for access in accesses if access.dense} | {*network.inputs, *network.outputs}

    # Places

    def check_places(self) -> None:
        """Everything has a place, inside the arena and aligned."""
        count = len(self.network.operators)
        if len(self.plan.tensors) != len(self.network.tensors):
            raise InvalidPlan(f"{len(self.plan.tensors)} offsets for {len(self.network.tensors)} tensors")
        if len(self.schedule.block) != count or len(self.schedule.reverse) != count:
            raise InvalidPlan(f"the schedule's blocks and directions do not match {count} operators")
        for index, (tensor, offset) in enumerate(zip(self.network.tensors, self.plan.tensors, strict=True)):
            if index in self.plan.rows:
                self._check_rows(index, self.plan.rows[index])
            else:
                self._check_place(f"tensor '{tensor.name}'", offset, tensor.size, tensor.alignment)
        for index, operator in enumerate(self.network.operators):
            steps = min(self.schedule.block[index], operator.steps)
            scratch = operator.scratch + operator.scratch_per_step * steps
            self._check_work(f"scratch of operator '{operator.name}'", self.plan.scratch.get(index), scratch)
            self._check_work(f"state of operator '{operator.name}'", self.plan.state.get(index), operator.state)

    def _check_rows(self, index: int, places: tuple[int, ...]) -> None:
        """Rows that lie apart: nobody may rely on one piece, and each has its place."""
        tensor = self.network.tensors[index]
        if len(places) != tensor.rows:
            raise InvalidPlan(f"tensor '{tensor.name}': {len(places)} offsets for {tensor.rows} rows")
        if index in self.dense and any(b - a != tensor.row_bytes for a, b in pairwise(places)):
            raise InvalidPlan(f"tensor '{tensor.name}' must lie in one piece")
        if places and places[0] != self.plan.tensors[index]:
            raise InvalidPlan(f"tensor '{tensor.name}': offset {self.plan.tensors[index]}, but its row 0 is at {places[0]}")
        for row, offset in enumerate(places):
            self._check_place(self._row_name(index, row), offset, tensor.row_bytes, tensor.alignment)

    def _check_work(self, what: str, offset: int | None, size: int) -> None:
        if size and offset is None:
            raise InvalidPlan(f"{what} has no place")
        if size and offset is not None:
            self._check_place(what, offset, size, WORK_ALIGNMENT)

    def _check_place(self, what: str, offset: int, size: int, alignment: int) -> None:
        if offset < 0 or offset + size > self.plan.arena:
            raise InvalidPlan(f"{what}: bytes {offset} to {offset + size} leave the arena of {self.plan.arena} bytes")
        if offset % alignment:
            raise InvalidPlan(f"{what}: offset {offset} is not a multiple of {alignment}")

    # Rows

    def _rows(self, access: Access, runs: list[tuple[int, int]]) -> Iterator[_Rows]:
        """Ranges of rows, split where the arena does not continue."""
        size, offset = self.network.tensors[access.tensor].row_bytes, self.plan.tensors[access.tensor]
        places, before = self.plan.rows.get(access.tensor), 0
        for low, high in runs:
            if places is None:
                yield _Rows(access, low, high, offset + low * size, offset + high * size, before)
                before += (high - low) * size
                continue
            while low < high:
                stop = low + 1
                while stop < high and places[stop] == places[stop - 1] + size:
                    stop += 1
                yield _Rows(access, low, stop, places[low], places[low] + (stop - low) * size, before)
                before += (stop - low) * size
                low = stop

    def _all(self, tensor: int) -> list[_Rows]:
        rows = self.network.tensors[tensor].rows
        return list(self._rows(Access(tensor, whole(1, rows)), [(0, rows)]))

    def _touched(self, accesses: tuple[Access, ...], event: Event) -> list[_Rows]:
        return [rows for access in accesses for rows in self._rows(access, _runs(access, event))]

    def _row_name(self, tensor: int, row: int) -> str:
        return f"row {row} of tensor '{self.network.tensors[tensor].name}'"

    def _owner_name(self, owner: int) -> str:
        if owner == NOBODY:
            return "nobody"
        if owner < self.total_rows:
            tensor = int(np.searchsorted(self.first_owner, owner, side="right")) - 1
            return self._row_name(tensor, owner - int(self.first_owner[tensor]))
        kind, index = divmod(owner - self.total_rows, len(self.network.operators))
        return f"the {('scratch', 'state')[kind]} of operator '{self.network.operators[index].name}'"

    def _expect(self, who: str, rows: _Rows) -> None:
        """The rows are written, and every byte of them still is theirs."""
        tensor, size = rows.access.tensor, self.network.tensors[rows.access.tensor].row_bytes
        written = self.written[tensor][rows.low : rows.high]
        if not written.all():
            row = self._row_name(tensor, rows.low + int(written.argmin()))
            raise InvalidPlan(f"{who} needs {row}, which is not written yet")
        wanted, found = self.stamp[tensor][rows.low * size : rows.high * size], self.owner[rows.begin : rows.end]
        if not np.array_equal(found, wanted):
            byte = rows.begin + int((found == wanted).argmin())
            row = self._row_name(tensor, rows.low + (byte - rows.begin) // size)
            owner = self._owner_name(int(self.owner[byte]))
            raise InvalidPlan(f"{who} needs {row}, but its arena byte {byte} belongs to {owner}")

    def _write(self, who: str, rows: _Rows) -> None:
        """The rows are written for the first time and now own their bytes."""
        tensor, size = rows.access.tensor, self.network.tensors[rows.access.tensor].row_bytes
        written = self.written[tensor][rows.low : rows.high]
        if written.any():
            raise InvalidPlan(f"{who} writes {self._row_name(tensor, rows.low + int(written.argmax()))} again")
        written[:] = True
        self.owner[rows.begin : rows.end] = self.stamp[tensor][rows.low * size : rows.high * size]

    # Replay

    def fill_inputs(self) -> None:
        """The application writes all inputs before the first event."""
        inputs = [rows for tensor in self.network.inputs for rows in self._all(tensor)]
        for rows in inputs:
            self._write("the application", rows)
        for rows in inputs:
            self._expect("the first event", rows)

    def run(self, event: Event) -> None:
        """One event: what it reads must be intact, and what it writes or works in must not touch what it reads.

        A kernel may write any output byte before it reads any input byte, but where it promises to work in place.
        """
        operator = self._operator(event)
        who = f"operator '{operator.name}' (steps {event.first} to {event.last - 1})"
        self._take_turn(event, operator, who)
        reads, writes = self._touched(operator.reads, event), self._touched(operator.writes, event)
        for rows in reads:
            self._expect(who, rows)
        work = list(self._work(event, operator, who))
        self._check_apart(who, reads, writes, work)
        for rows in reads:
            for output in writes:
                if _overlap(rows, output) and not self._lags(operator, event, rows, output):
                    self._check_in_place(who, operator, (reads, writes), rows, output)
        for rows in writes:
            self._write(who, rows)
        for rows in writes:  # outputs may lie over each other
            self._expect(who, rows)

    def _operator(self, event: Event) -> Operator:
        if not 0 <= event.operator < len(self.network.operators):
            raise InvalidPlan(f"{event}: no such operator")
        return self.network.operators[event.operator]

    def _take_turn(self, event: Event, operator: Operator, who: str) -> None:
        """Steps come in order, each once, all upwards or all downwards."""
        index, done = event.operator, self.done[event.operator]
        if not 0 <= event.first < event.last <= operator.steps:
            raise InvalidPlan(f"{who}: it has steps 0 to {operator.steps - 1}")
        if event.last - event.first > self.schedule.block[index]:
            raise InvalidPlan(f"{who}: more steps than its block of {self.schedule.block[index]}")
        if self.schedule.reverse[index]:
            if not operator.reversible:
                raise InvalidPlan(f"{who} cannot run in reverse")
            if event.last != operator.steps - done:
                raise InvalidPlan(f"{who}: after {done} steps downwards it is the turn of step {operator.steps - done - 1}")
        elif event.first != done:
            raise InvalidPlan(f"{who}: after {done} steps it is the turn of step {done}")
        self.done[index] += event.last - event.first

    def _work(self, event: Event, operator: Operator, who: str) -> Iterator[_Work]:
        """Scratch and state of the event; the state must be what the operator's last event left."""
        index, count, steps = event.operator, len(self.network.operators), event.last - event.first
        if operator.state:
            state = _Work("state", self.plan.state[index], self.plan.state[index] + operator.state)
            mine, owners = self.total_rows + count + index, self.owner[state.begin : state.end]
            if self.done[index] > steps and (owners != mine).any():
                byte = int((owners != mine).argmax())
                owner = self._owner_name(int(owners[byte]))
                raise InvalidPlan(f"{who} needs its state, but arena byte {state.begin + byte} belongs to {owner}")
            owners[:] = mine
            yield state
        size = operator.scratch + operator.scratch_per_step * steps
        if size:
            scratch = _Work("scratch", self.plan.scratch[index], self.plan.scratch[index] + size)
            self.owner[scratch.begin : scratch.end] = self.total_rows + index
            yield scratch

    def _check_apart(self, who: str, reads: list[_Rows], writes: list[_Rows], work: list[_Work]) -> None:
        """Scratch and state touch neither each other nor the event's rows."""
        if len(work) == 2 and _overlap(*work):
            raise InvalidPlan(f"{who}: its state and its scratch overlap")
        for region in work:
            for rows in (*reads, *writes):
                if _overlap(region, rows):
                    row = self._row_name(rows.access.tensor, self._first_within(rows, region.begin))
                    raise InvalidPlan(f"{who}: its {region.what} overlaps {row}")

    def _lags(self, operator: Operator, event: Event, rows: _Rows, output: _Rows) -> bool:
        """Whether output rows lie exactly over rows of an input that the operator's later steps do not read."""
        lag, size = rows.access.lag, self.network.tensors[output.access.tensor].row_bytes
        if lag is None or len(operator.writes) != 1 or self.network.tensors[rows.access.tensor].row_bytes != size:
            return False
        if any(access.tensor == rows.access.tensor and access is not rows.access for access in operator.reads):
            return False
        exact = output.begin - rows.begin == (output.low - lag - rows.low) * size
        low = rows.access.ranges.low
        own = (output.access.ranges.low == np.arange(operator.steps)).all() and (np.diff(output.access.ranges.high) == 1).all()
        under = range(max(output.low, rows.low + lag), min(output.high, rows.high + lag))
        return bool(exact and own and all((low[row + 1 : event.last] > row - lag).all() for row in under))

    def _check_in_place(
        self, who: str, operator: Operator, event: tuple[list[_Rows], list[_Rows]], rows: _Rows, output: _Rows
    ) -> None:
        """Rows being read may be overwritten only in place, the output's elements never above those of the input."""
        read, written = (sum(run.end - run.begin for run in runs if run.access is access)
                         for runs, access in zip(event, (rows.access, output.access), strict=True))  # fmt: skip
        ascends = output.begin - output.before <= rows.begin - rows.before and written <= read
        if not (len(operator.writes) == 1 and rows.access.in_place and ascends):
            row = self._row_name(rows.access.tensor, self._first_within(rows, output.begin))
            other = self._row_name(output.access.tensor, self._first_within(output, rows.begin))
            raise InvalidPlan(f"{who} writes {other} over {row}, which it reads")

    def _first_within(self, rows: _Rows, byte: int) -> int:
        """The row that holds an arena byte, or the first row where the byte lies before all of them."""
        return rows.low + max(byte - rows.begin, 0) // self.network.tensors[rows.access.tensor].row_bytes

    def finish(self) -> None:
        """All steps have run, and all outputs are complete and intact."""
        for operator, done in zip(self.network.operators, self.done, strict=True):
            if done != operator.steps:
                raise InvalidPlan(f"operator '{operator.name}' ran {done} of its {operator.steps} steps")
        for tensor in self.network.outputs:
            for rows in self._all(tensor):
                self._expect("the application", rows)


def _overlap(one: _Rows | _Work, two: _Rows | _Work) -> bool:
    return one.begin < two.end and two.begin < one.end


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
    begin, end = np.concatenate(([0], split)), np.concatenate((split - 1, [len(high) - 1]))
    return list(zip(low[begin].tolist(), high[end].tolist(), strict=True))
