"""Random small networks with every kind of access: windows, in-place, views, several inputs and outputs, unread rows."""

from __future__ import annotations

from random import Random

import numpy as np

from patch_scheduler import Access, Network, Operator, Ranges, Tensor, each, last, whole, window


class RandomNetwork:
    def __init__(self, random: Random, operators: int, lags: bool) -> None:
        self.random = random
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        inputs = [self.tensor(random.randint(1, 8), random.randint(1, 5)) for _ in range(random.choice((1, 1, 1, 2)))]
        kinds = [self.conv, self.conv, self.conv, self.add, self.add, self.resize, self.concat, self.mean, self.view]
        kinds += [self.split, self.gate, self.narrow, self.transpose, *[self.depthwise] * (2 * lags)]
        for _ in range(operators):
            random.choice(kinds)(self.pick())
        read = {access.tensor for operator in self.operators for access in operator.reads}
        outputs = [t for t in range(len(self.tensors)) if t not in read or random.random() < 0.05]
        self.network = Network(tuple(self.tensors), tuple(self.operators), tuple(inputs), tuple(outputs))

    def tensor(self, rows: int, row_bytes: int) -> int:
        self.tensors.append(Tensor(f"t{len(self.tensors)}", rows, row_bytes, self.random.choice((1, 1, 1, 2, 4))))
        return len(self.tensors) - 1

    def pick(self) -> int:
        """Mostly one of the latest tensors, so that chains form."""
        recent = range(max(0, len(self.tensors) - 3), len(self.tensors))
        return self.random.choice(recent if self.random.random() < 0.8 else range(len(self.tensors)))

    def emit(self, name: str, reads: list[Access], writes: list[Access], state: int = 0, reversible: bool = True) -> None:
        random = self.random
        self.operators.append(
            Operator(
                f"{name}{len(self.operators)}",
                tuple(reads),
                tuple(writes),
                len(writes[0].ranges),
                scratch=random.choice((0, 0, 3, 8)),
                scratch_per_step=random.choice((0, 0, 2)),
                state=state,
                reversible=reversible and random.random() < 0.8,
            )
        )

    def conv(self, x: int) -> None:
        rows, size, stride = self.tensors[x].rows, self.random.randint(1, 4), self.random.randint(1, 3)
        steps = -(-rows // stride)
        before = self.random.randint(0, size // 2)
        out = self.tensor(steps, self.random.randint(1, 6))
        self.emit("conv", [Access(x, window(steps, rows, size, stride, 1, before))], [Access(out, each(steps))])

    def depthwise(self, x: int) -> None:
        """Output rows may lie over those that their windows are the last to read."""
        what, size = self.tensors[x], self.random.randint(1, 4)
        before = self.random.randint(0, size // 2)
        reads = [Access(x, window(what.rows, what.rows, size, 1, 1, before), lag=before)]
        self.emit("depthwise", reads, [Access(self.tensor(what.rows, what.row_bytes), each(what.rows))])

    def add(self, x: int) -> None:
        what = self.tensors[x]
        same = [t for t, other in enumerate(self.tensors) if (other.rows, other.row_bytes) == (what.rows, what.row_bytes)]
        reads = [Access(x, each(what.rows), in_place=True)]
        if self.random.random() < 0.7:
            reads.append(Access(self.random.choice(same), each(what.rows), in_place=self.random.random() < 0.8))
        self.emit("add", reads, [Access(self.tensor(what.rows, what.row_bytes), each(what.rows))])

    def resize(self, x: int) -> None:
        rows = self.tensors[x].rows
        if rows > 6:
            return self.conv(x)
        low = np.arange(2 * rows) // 2
        out = self.tensor(2 * rows, self.random.randint(1, 3))
        return self.emit("resize", [Access(x, Ranges(low, low + 1))], [Access(out, each(2 * rows))])

    def concat(self, x: int) -> None:
        rows = self.tensors[x].rows
        y = self.random.choice([t for t, other in enumerate(self.tensors) if other.rows == rows])
        out = self.tensor(rows, min(self.tensors[x].row_bytes + self.tensors[y].row_bytes, 12))
        self.emit("concat", [Access(t, each(rows)) for t in (x, y)], [Access(out, each(rows))])

    def mean(self, x: int) -> None:
        rows = self.tensors[x].rows
        out = Access(self.tensor(1, self.random.randint(1, 6)), last(rows, 1))
        self.emit("mean", [Access(x, each(rows))], [out], state=self.random.choice((8, 12)), reversible=False)

    def view(self, x: int) -> None:
        size = self.tensors[x].size
        rows = self.random.choice([n for n in range(1, size + 1) if size % n == 0 and n <= 12])
        out = self.tensor(rows, size // rows)
        self.emit("view", [Access(x, whole(1, self.tensors[x].rows), in_place=True)], [Access(out, whole(1, rows))])

    def split(self, x: int) -> None:
        rows = self.tensors[x].rows
        outs = [Access(self.tensor(rows, self.random.randint(1, 4)), each(rows)) for _ in range(2)]
        self.emit("split", [Access(x, each(rows), in_place=self.random.random() < 0.3)], outs)

    def gate(self, x: int) -> None:
        what, other = self.tensors[x], self.pick()
        reads = [Access(x, each(what.rows), in_place=True), Access(other, whole(what.rows, self.tensors[other].rows))]
        self.emit("gate", reads, [Access(self.tensor(what.rows, what.row_bytes), each(what.rows))])

    def narrow(self, x: int) -> None:
        """An in-place operator whose output elements are smaller, or that drops rows."""
        what, stride = self.tensors[x], self.random.choice((1, 2))
        steps = -(-what.rows // stride)
        out = self.tensor(steps, self.random.randint(1, what.row_bytes))
        self.emit("narrow", [Access(x, window(steps, what.rows, 1, stride, 1, 0), in_place=True)], [Access(out, each(steps))])

    def transpose(self, x: int) -> None:
        rows = self.tensors[x].rows
        steps = self.random.randint(1, 6)
        out = self.tensor(steps, self.random.randint(1, 4))
        self.emit("transpose", [Access(x, whole(steps, rows))], [Access(out, each(steps))])


def random_network(seed: int, operators: int | None = None, lags: bool = True) -> Network:
    """`lags`: with operators that may write over rows further up."""
    random = Random(seed)
    return RandomNetwork(random, operators or random.randint(1, 9), lags).network
