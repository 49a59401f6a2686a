"""Brute force: executes a schedule on bytes, with kernels as hostile as their contract allows.

Every byte is a 64-bit token and every output a hash of what was read, so that a destroyed byte shows in the results.
Kernels fill their outputs and scratch with garbage before they read, unless they promise to work in place.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from patch_scheduler import Access, Event, Network, Operator, Plan, Schedule

Results = tuple[list[list[int]], dict[tuple[int, int], int]]


class Destroyed(Exception):
    """An operator noticed that memory it relies on changed during an event."""


def separate(network: Network, schedule: Schedule) -> Plan:
    """A plan in which nothing shares memory."""
    end = 0

    def take(size: int) -> int:
        nonlocal end
        start = -(-end // 64) * 64
        end = start + size
        return start

    tensors = tuple(take(tensor.size) for tensor in network.tensors)
    scratch = {
        index: take(operator.scratch + operator.scratch_per_step * operator.steps)
        for index, operator in enumerate(network.operators)
    }
    state = {index: take(operator.state) for index, operator in enumerate(network.operators)}
    return Plan(tensors, scratch, state, end, 0, False)


class Simulator:
    def __init__(self, network: Network, plan: Plan, seed: int) -> None:
        self.network, self.plan = network, plan
        self.random = random.Random(seed)
        self.memory = [self.random.getrandbits(64) for _ in range(plan.arena)]
        self.log: dict[tuple[int, int], int] = {}  # what every step computed, since not all of it reaches an output
        self.started = [False] * len(network.operators)

    def run(self, events: Iterable[Event]) -> Results | None:
        """All outputs and all that was computed on the way, or None where something was destroyed or lies outside."""
        if not self.inside():
            return None
        try:
            for tensor in self.network.inputs:
                self.store(self.bytes(tensor, 0, self.network.tensors[tensor].rows), ("input", tensor))
            for tensor in self.network.inputs:
                self.recall(self.bytes(tensor, 0, self.network.tensors[tensor].rows), ("input", tensor))
            for event in events:
                self.event(event)
        except Destroyed:
            return None
        outputs = [self.bytes(tensor, 0, self.network.tensors[tensor].rows) for tensor in self.network.outputs]
        return [[self.memory[byte] for byte in output] for output in outputs], self.log

    def inside(self) -> bool:
        places = []
        for index, tensor in enumerate(self.network.tensors):
            if index in self.plan.rows:
                places += [(offset, tensor.row_bytes, tensor.alignment) for offset in self.plan.rows[index]]
            else:
                places.append((self.plan.tensors[index], tensor.size, tensor.alignment))
        for index, operator in enumerate(self.network.operators):
            if operator.state:
                places.append((self.plan.state[index], operator.state, 8))
            if operator.scratch + operator.scratch_per_step:
                places.append((self.plan.scratch[index], operator.scratch + operator.scratch_per_step, 8))
        return all(o >= 0 and o + size <= self.plan.arena and o % align == 0 for o, size, align in places)

    def bytes(self, tensor: int, low: int, high: int) -> Sequence[int]:
        size, start = self.network.tensors[tensor].row_bytes, self.plan.tensors[tensor]
        if tensor not in self.plan.rows:
            return range(start + low * size, start + high * size)
        return [byte for row in self.plan.rows[tensor][low:high] for byte in range(row, row + size)]

    def store(self, where: Iterable[int], seed: object) -> None:
        for index, byte in enumerate(where):
            self.memory[byte] = hash((str(seed), index))

    def recall(self, where: Iterable[int], seed: object) -> None:
        if any(self.memory[byte] != hash((str(seed), index)) for index, byte in enumerate(where)):
            raise Destroyed

    def garbage(self, where: Iterable[int]) -> None:
        for byte in where:
            self.memory[byte] = self.random.getrandbits(64)

    def touched(self, access: Access, steps: Iterable[int]) -> list[int]:
        """Bytes in ascending order, each once."""
        ranges = access.ranges
        rows = sorted({row for step in steps for row in range(ranges.low[step], ranges.high[step])})
        return [byte for row in rows for byte in self.bytes(access.tensor, row, row + 1)]

    def event(self, event: Event) -> None:
        operator, index = self.network.operators[event.operator], event.operator
        steps = range(event.first, event.last)
        scratch = range(0)
        size = operator.scratch + operator.scratch_per_step * len(steps)
        if size:
            scratch = range(self.plan.scratch[index], self.plan.scratch[index] + size)
            if scratch.stop > self.plan.arena:
                raise Destroyed
        self.garbage(scratch)
        state = range(self.plan.state[index], self.plan.state[index] + operator.state) if operator.state else range(0)
        if not self.started[index]:
            self.store(state, ("state", index))
            self.started[index] = True
        if len(operator.writes) == 1 and any(access.lag is not None for access in operator.reads):
            self.lagging(operator, index, steps, scratch)
        elif len(operator.writes) == 1 and any(access.in_place for access in operator.reads):
            self.in_place(operator, index, steps, scratch)
        else:
            self.hostile(operator, index, steps, scratch, state)

    def hostile(self, operator: Operator, index: int, steps: range, scratch: range, state: range) -> None:
        """Garbage first, then all reads, then all writes; nothing may have disturbed anything else."""
        for access in operator.writes:
            self.garbage(self.touched(access, steps))
        digests = []
        kept = [self.memory[byte] for byte in state]
        for step in steps:
            read = [tuple(self.memory[b] for b in self.touched(access, [step])) for access in operator.reads]
            digests.append(hash((index, step, tuple(kept), *read)))
            self.log[index, step] = digests[-1]
            if kept:
                kept = [hash((digests[-1], n)) for n in range(len(kept))]
        for byte, value in zip(state, kept, strict=True):
            self.memory[byte] = value
        for repeat in (self.store, self.recall):  # written first, then checked to be unharmed by the other outputs
            for number, access in enumerate(operator.writes):
                for step, digest in zip(steps, digests, strict=True):
                    repeat(self.touched(access, [step]), (digest, number))
            self.garbage(scratch)
        if kept != [self.memory[byte] for byte in state]:
            raise Destroyed

    def lagging(self, operator: Operator, index: int, steps: range, scratch: range) -> None:
        """Row by row, after garbage wherever an output row does not lie exactly over its partner."""
        target = operator.writes[0]
        for step in steps:
            mine = self.touched(target, [step])
            partners = [self.row(access, step - access.lag) for access in operator.reads if access.lag is not None]
            if mine not in partners:
                self.garbage(mine)
        written: list[int] = []
        for step in steps:
            read = [tuple(self.memory[b] for b in self.touched(access, [step])) for access in operator.reads]
            mine = self.touched(target, [step])
            self.log[index, step] = hash((index, step, *read))
            values = [hash((self.log[index, step], number)) for number in range(len(mine))]
            for byte, value in zip(mine, values, strict=True):
                self.memory[byte] = value
            written += values
        self.garbage(scratch)
        if written != [self.memory[byte] for byte in self.touched(target, steps)]:
            raise Destroyed

    def row(self, access: Access, row: int) -> list[int]:
        inside = 0 <= row < self.network.tensors[access.tensor].rows
        return list(self.bytes(access.tensor, row, row + 1)) if inside else []

    def in_place(self, operator: Operator, index: int, steps: range, scratch: range) -> None:
        """Byte by byte: the inputs' byte i just before the output's byte i; other inputs must not change meanwhile."""
        others = [byte for access in operator.reads if not access.in_place for byte in self.touched(access, steps)]
        before = [self.memory[byte] for byte in others]
        written: list[int] = []
        for step in steps:
            begin = len(written)
            read = [tuple(self.memory[b] for b in self.touched(a, [step])) for a in operator.reads if not a.in_place]
            sources = [self.touched(access, [step]) for access in operator.reads if access.in_place]
            for number, byte in enumerate(self.touched(operator.writes[0], [step])):
                value = hash((index, number, *read, *(self.memory[source[number]] for source in sources)))
                self.memory[byte] = value
                written.append(value)
            self.log[index, step] = hash(tuple(written[begin:]))
        self.garbage(scratch)
        target = self.touched(operator.writes[0], steps)
        if before != [self.memory[b] for b in others] or written != [self.memory[b] for b in target]:
            raise Destroyed
