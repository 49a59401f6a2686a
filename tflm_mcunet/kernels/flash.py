"""Kernels for `--minimize flash`: those that save most time per byte of code, within a budget for all kernels together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tflm_mcunet.codegen.lower import lower
from tflm_mcunet.cost import load
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels import alternatives
from tflm_mcunet.kernels.dsp.conv_2d import Conv2DDsp, Conv2DSmallDsp
from tflm_mcunet.operators.base import Operator
from tflm_mcunet.options import Options
from tflm_mcunet.targets import Target

BUDGET = 8250
"""Bytes of kernels, compiled with -Os. With what every model has besides them, and the C library's part, code is below 9 kB."""

Code = Mapping[str, Mapping[str, int]]
"""Per C function that an event calls, the functions that it needs, itself among them, and their bytes."""


@dataclass(frozen=True)
class Offer:
    """An operator in one kernel, the C function of this, and its estimated time."""

    op: Operator
    function: str
    cost: float


Offers = Mapping[Operator, list[Offer]]


def smallest(graph: Graph, options: Options) -> Graph:
    """The graph in portable kernels, but for those faster ones that are worth their code."""
    code, offers = _code(options.board), {op: list(_offers(op, options)) for op in lower(graph).operators}
    portable = {found[-1].function for found in offers.values()}
    others = {offer.function for found in offers.values() for offer in found} - portable
    # A large kernel may save more than small ones that save more per byte but leave no room for it.
    starts = [portable, *(portable | {function} for function in sorted(others))]
    found = [_filled(code, offers, start, others) for start in starts if _bytes(code, _chosen(offers, start)) <= BUDGET]
    chosen = min(found, key=_time) if found else _chosen(offers, portable)
    return graph.exchange({op: offer.op for op, offer in chosen.items() if offer.op is not op})


def _filled(code: Code, offers: Offers, allowed: set[str], others: set[str]) -> dict[Operator, Offer]:
    """The kernels once functions are allowed too, that which saves most per byte first, as long as they fit the budget."""
    now = _chosen(offers, allowed)
    while True:
        bytes_, time = _bytes(code, now), _time(now)
        best, best_rate = None, 0.0
        for function in sorted(others - allowed):
            new = _chosen(offers, allowed | {function})
            more, saved = _bytes(code, new) - bytes_, time - _time(new)
            if bytes_ + more <= BUDGET and saved / max(more, 1) > best_rate:
                best, best_rate = function, saved / max(more, 1)
        if best is None:
            return now
        allowed = allowed | {best}
        now = _chosen(offers, allowed)


def function_of(op: Operator) -> str:
    """The C function that an operator's events call."""
    record = op.record()
    return record.function or f"mcu_{record.kernel}"


def offered(op: Operator, features: frozenset[str] | set[str]) -> Iterator[tuple[Operator, Operator]]:
    """The operator in every kernel, at last as it is; and the kernel whose costs are known, where that is another."""
    for new in alternatives(op, features):
        small = type(new) is Conv2DDsp
        yield (Conv2DSmallDsp.like(new) if small else new), new


def _offers(op: Operator, options: Options) -> Iterator[Offer]:
    """Kernels of known size, and the operator as it is."""
    code, model = _code(options.board), load(options.board)
    for new, known in offered(op, options.board.features):
        function = function_of(new)
        if new is op or function in code:
            yield Offer(new, function, model.estimate(known, op.steps).instructions)


def _chosen(offers: Offers, allowed: set[str]) -> dict[Operator, Offer]:
    """The fastest allowed kernel of every operator."""
    return {op: min((o for o in found if o.function in allowed), key=lambda o: o.cost) for op, found in offers.items()}


def _bytes(code: Code, chosen: Mapping[Operator, Offer]) -> int:
    return _sum(code, (offer.function for offer in chosen.values()))


def _sum(code: Code, functions: Iterable[str]) -> int:
    needed: dict[str, int] = {}
    for function in functions:
        needed |= code.get(function, {})
    return sum(needed.values())


def _time(chosen: Mapping[Operator, Offer]) -> float:
    return sum(offer.cost for offer in chosen.values())


def code_bytes(functions: Iterable[str], board: Target) -> int:
    """Bytes of these kernels with all that they need, compiled with -Os; those that were never measured count nothing."""
    return _sum(_code(board), functions)


@cache
def _table() -> Mapping[str, Code]:
    found: Mapping[str, Code] = json.loads(resources.files(__package__).joinpath("code.json").read_text())
    return found


def _code(board: Target) -> Code:
    return _table()["cortex-m55" if "mve" in board.features else "cortex-m7" if "dsp" in board.features else "cortex-m3"]
