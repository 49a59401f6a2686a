"""Places rows one by one: first fit in several orders, then again with those rows first that ended too high.

The schedule is static, so every row has its own life and may lie wherever its bytes are free for so long: line buffers
need not be rings of fixed height, and memory moves freely between tensors whose peaks come at different moments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from patch_scheduler.geometry import Int, Network
from patch_scheduler.lives import Lives, lives, moment_bytes
from patch_scheduler.orders import search
from patch_scheduler.plan import Plan
from patch_scheduler.schedule import Schedule
from patch_scheduler.units import Unit, dense_tensors, in_place, ring_height, units

Form = Literal["rings", "mixed", "rows", "single"]
"""Every tensor a ring, which takes no table; row by row those that are never whole; row by row all that need not be dense,
rows of one life together, or each by itself."""
PLACEMENTS = 20000  # of units, for one set of them: a count, not a time, so that plans are reproducible
FEW = 1000  # units that may each be a single row
MANY = 5000  # units that are placed one by one in seconds
HOPELESS = 1.1  # times what is wanted: better a less regular form than many rounds
ROUNDS = 20  # through all units: where there is effort for as many, the last of them may still get to what is wanted
FORMS: tuple[Form, ...] = ("rings", "mixed", "rows", "single")


def plan_rows(
    network: Network,
    schedule: Schedule,
    enough: int = 0,
    effort: int = PLACEMENTS,
    forms: Sequence[Form] = FORMS,
    walk: int = 0,
) -> Plan:
    """The smallest arena found, or the first of at most `enough` bytes, with the most regular of the `forms` of tensors.

    `walk`: each number looks for the order of the units in another way.
    """
    found = _placed(network, schedule, enough, effort, forms, walk)
    assert found is not None
    return found


def fit_rows(
    network: Network,
    schedule: Schedule,
    limit: int,
    effort: int = PLACEMENTS,
    forms: Sequence[Form] = FORMS,
    hurry: bool = True,
) -> Plan | None:
    """A plan of at most `limit` bytes with the most regular of the `forms`; None where none was found.

    In a `hurry` large networks that first need much more are given up.
    """
    found = _placed(network, schedule, limit, effort, forms, hurry=hurry, must=True)
    return found if found is not None and found.arena <= limit else None


def _placed(
    network: Network,
    schedule: Schedule,
    enough: int,
    effort: int,
    forms: Sequence[Form],
    walk: int = 0,
    hurry: bool = False,
    must: bool = False,
) -> Plan | None:
    """None where the rows `must` fit `enough` bytes and cannot, or are given up in a `hurry`."""
    life = lives(network, schedule.events)
    moments = moment_bytes(network, schedule, life)
    bound = int(moments.max(initial=0))
    if must and bound > enough:
        return None
    enough = max(bound, enough)
    best: tuple[int, Int, list[Unit]] | None = None
    choices = _choices(network, schedule, life, [form for form in forms if form != "single"])
    regular = len(choices)
    if "single" in forms:
        choices += _single(network, schedule, life, len(choices[-1]))
    for number, found in enumerate(choices, 1):
        shared, share = in_place(network, schedule, found), effort if number == regular else effort // 2
        short = hurry and (share < ROUNDS * len(found) or len(choices[-1]) > FEW > len(found))
        limit = HOPELESS * enough if short or (number < regular and enough > bound) else np.inf
        placed = search(found, shared, moments, enough, share, limit, walk, short)
        if placed is not None and (best is None or placed[1] < best[0]):
            best = placed[1], placed[0], found
            if best[0] <= enough:
                break
    return _plan(network, best[2], best[1][:-1], bound) if best else None


def _choices(network: Network, schedule: Schedule, life: Lives, forms: Sequence[Form]) -> list[list[Unit]]:
    """The units of every form, without repetitions and without more units than can be placed."""
    sets = [_scattered(network, life, form) for form in forms]
    different = [scattered for index, scattered in enumerate(sets) if scattered not in sets[:index]]
    found = [units(network, schedule, life, scattered) for scattered in different]
    return [choice for choice in found if len(choice) <= MANY] or [units(network, schedule, life, set())]


def _single(network: Network, schedule: Schedule, life: Lives, before: int) -> list[list[Unit]]:
    """Each row a unit of its own, where these are few, but more than `before`."""
    found = units(network, schedule, life, _scattered(network, life, "single"), single=True)
    return [found] if before < len(found) <= FEW else []


def _scattered(network: Network, life: Lives, form: Form) -> set[int]:
    """The tensors that are placed row by row."""
    if form == "rings":
        return set()
    dense = dense_tensors(network)
    heights = [ring_height(birth, death) for birth, death in zip(life.birth, life.death, strict=True)]
    return {t for t, height in enumerate(heights) if t not in dense and (form != "mixed" or height < network.tensors[t].rows)}


def _plan(network: Network, found: Sequence[Unit], offsets: Int, bound: int) -> Plan:
    """Names the offsets."""
    size = [tensor.row_bytes for tensor in network.tensors]
    rows = [np.zeros(tensor.rows, np.int64) for tensor in network.tensors]
    work: dict[str, dict[int, int]] = {"scratch": {}, "state": {}}
    for unit, offset in zip(found, offsets.tolist(), strict=True):
        index = unit.buffer.index
        if unit.buffer.kind == "tensor":
            rows[index][unit.first : unit.first + unit.rows] = offset + np.arange(unit.rows) % unit.height * unit.stride
        else:
            work[unit.buffer.kind][index] = offset
    arena = max((offset + unit.size for unit, offset in zip(found, offsets.tolist(), strict=True)), default=0)
    scattered = {index: tuple(where.tolist()) for index, where in enumerate(rows) if (np.diff(where) != size[index]).any()}
    first = tuple(int(where[0]) if len(where) else 0 for where in rows)
    return Plan(first, work["scratch"], work["state"], arena, bound, arena == bound, scattered)
