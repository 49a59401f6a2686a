"""Random int8 networks as .tflite: operators and patterns of real models wired into random graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tests.networks.network import Network, Value
from tests.networks.operators import GENERATORS, MOVES
from tests.networks.patterns import PATTERNS
from tests.networks.source import Seeded, Source


@dataclass(frozen=True)
class Generated:
    """A network and how often each operator is in it."""

    model: bytes
    kinds: Counter[str]


def generate(source: Source, kinds: Iterable[str], operators: int = 12, *, intermediates: bool | None = None) -> Generated:
    """A network of about up to `operators` operators of the given kinds.

    Its outputs are all tensors that no operator reads, or, with `intermediates`, all that are computed; None draws which.
    """
    allowed = frozenset(kinds) & GENERATORS.keys()
    n = Network(source, allowed)
    if intermediates is None:
        intermediates = source.chance(40)
    names = sorted(allowed - {"ARG_MAX"})
    theme = source.choice(names)  # so that every operator gets its networks, whatever it needs to fit
    patterns = sorted(name for name, (needed, _) in PATTERNS.items() if n.knows(*needed))
    pending = [_input(n) for _ in range(source.choice((1, 1, 1, 2, 3)))]
    wanted = source.integer(1, operators)
    for _ in range(4 * operators):
        if sum(n.used.values()) >= wanted and not pending:
            break
        x = pending[0] if pending else _pick(n)
        if x.dtype != np.int8:
            _convert(n, x)
        elif patterns and source.chance(35):
            PATTERNS[source.choice(patterns)][1](n, x)
        else:
            GENERATORS[theme if source.chance(20) else source.choice(names)](n, x)
        pending = [v for v in pending if v.tensor not in n.read]
    for v in pending:  # whatever takes any value
        kinds = ("FULLY_CONNECTED", "RESHAPE") if v.dtype == np.int8 else ("QUANTIZE",)
        next(filter(None, (GENERATORS[kind](n, v) for kind in kinds if kind in allowed)), None)
    _edges(n)
    return Generated(n.build(intermediates=intermediates), n.used)


def generate_seeded(seed: int, kinds: Iterable[str], operators: int = 12) -> Generated:
    """The network of a seed."""
    return generate(Seeded(seed), kinds, operators)


def _input(n: Network) -> Value:
    """A model input: an image or a vector, int8 or through a QUANTIZE from another type."""
    if n.source.chance(80):
        large = n.source.chance(8)
        side = 28 if large else 12
        shape = (1, n.source.integer(1, side), n.source.integer(1, side), n.source.integer(1, 5 if large else 16))
    else:
        shape = tuple(n.source.choice(((1, 16), (1, 5, 7), (40,), (3, 4), (1, 49, 10))))
    scale, zero_point = n.source.real(0.005, 0.1), n.source.choice((0, -128, 127, n.source.integer(-128, 127)))
    values = np.arange(-128, 128) - zero_point
    if not n.knows("QUANTIZE") or n.source.chance(70):
        x = n.builder.input(shape, np.int8, scale, zero_point)
        value = Value(x, shape, scale, zero_point, scale * n.rng.choice(values, 160))
        n.values.append(value)
        return value
    kind = n.source.choice((np.float32, np.uint8, np.int16))
    if kind == np.float32:
        x, scale, zero_point, sample = n.builder.input(shape, kind, None), 1.0, 0, n.rng.normal(0, 2, 160)
    else:
        scale, zero_point = (scale, zero_point + 128) if kind == np.uint8 else (scale / 256, 0)
        x = n.builder.input(shape, kind, scale, zero_point)
        limits = np.iinfo(kind)
        sample = scale * (n.rng.integers(limits.min, int(limits.max) + 1, 160) - zero_point)
    value = Value(x, shape, scale, zero_point, sample, dtype=kind)
    n.others.append(value)
    return value


def _convert(n: Network, x: Value) -> None:
    """Moves a value of another type about, or makes it int8."""
    moves = [kind for kind in MOVES[x.dtype] if n.knows(kind)]
    if not (moves and n.source.chance(50) and GENERATORS[n.source.choice(moves)](n, x)):
        GENERATORS["QUANTIZE"](n, x)


def _pick(n: Network) -> Value:
    """A value to go on with: mostly one that nobody has read, the newest first; seldom one that is not int8."""
    others = [v for v in n.others if v.tensor not in n.read]
    if others and n.knows("QUANTIZE") and (n.source.chance(20) or not n.values):
        return n.source.choice(others)
    unread = [v for v in n.values if v.tensor not in n.read]
    if unread and n.source.chance(75):
        return unread[-1 - n.source.integer(0, min(2, len(unread) - 1))]
    return n.values[-1 - n.source.integer(0, len(n.values) - 1)]


def _edges(n: Network) -> None:
    """Some outputs leave as floats, uint8, int16 or indices."""
    for v in [v for v in n.values if v.tensor not in n.read]:
        if n.knows("DEQUANTIZE") and n.source.chance(15):
            GENERATORS["DEQUANTIZE"](n, v)
        elif n.knows("ARG_MAX") and v.elements > 1 and n.source.chance(10):
            GENERATORS["ARG_MAX"](n, v)
        elif n.knows("QUANTIZE") and n.source.chance(8):
            if n.source.chance(50):
                y = n.builder.tensor(v.shape, np.uint8, v.scale * n.source.real(0.7, 1.5), v.zero_point + 128)
            else:
                y = n.builder.tensor(v.shape, np.int16, v.scale / 200, 0)
            n.apply("QUANTIZE", [v], [y], "QuantizeOptions")
