"""The tables of RESULTS.md, from the figures in results.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Figures = Mapping[str, Any]

HEAD = """\
# Whole networks on emulated cores

One inference, executed instructions counted exactly by QEMU; int8 at the edges (`--io int8`), `--minimize latency --sram 4MB`,
compiled with `-O2`. Reproduced by

    python benchmarks/models/run.py

with {tools}. The input is that of the peers' figures: byte i is (37 i + 11) mod 256.

**Modelled cycles are a model, not a measurement**: executed instructions weighted with the timing table of the Cortex-M4
technical reference manual at zero wait states (`tflm_mcunet/execute/cycles.py`). The MLPerf Tiny figures beside them are of a
real NUCLEO-L4R5ZI, with its flash wait states and cache.

Ratios are ours divided by theirs; the mean of ratios is geometric.
"""


def markdown(results: Figures) -> str:
    """The whole of RESULTS.md."""
    figures, peers = results["models"], results.get("peers", {})
    rows = sorted(figures, key=lambda name: -max((core["macs"] for core in figures[name].values()), default=0))
    table = _Tables(figures, peers, rows)
    parts = [HEAD.format(tools=" and ".join(results["tools"]))]
    parts += [table.instructions(core, title) for core, title in _TITLES.items()]
    parts.insert(2, table.cycles())
    parts += [table.arenas(), table.code()]
    return "\n".join(part for part in parts if part)


_TITLES = {
    "cortex-m4": "Instructions on a Cortex-M4",
    "cortex-m7": "Instructions on a Cortex-M7",
    "cortex-m55": "Instructions on a Cortex-M55 (Helium)",
    "cortex-m3": "Instructions on a Cortex-M3 (portable C)",
}


class _Tables:
    def __init__(self, figures: Figures, peers: Figures, rows: list[str]) -> None:
        self.figures, self.peers, self.rows = figures, peers, rows

    def peer(self, name: str, *keys: str) -> Any:
        """A figure of another engine; None where it has none."""
        value: Any = self.peers.get(f"{name} (int8 I/O)", self.peers.get(name))
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def ours(self, name: str, core: str, *keys: str) -> Any:
        value: Any = self.figures[name].get(core)
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def instructions(self, core: str, title: str) -> str:
        rivals: dict[str, Callable[[str], Any]] = {}
        if core == "cortex-m3":
            rivals["TFLM reference, on an M4"] = lambda name: self.peer(name, "cortex-m4", "tflm_reference", "instructions")
        else:
            rivals["CMSIS-NN"] = lambda name: self.peer(name, core, "tflm_cmsis_nn", "instructions")
            rivals["TFLM reference"] = lambda name: self.peer(name, core, "tflm_reference", "instructions")
        if core == "cortex-m7":
            rivals["TinyEngine, inexact"] = lambda name: self.peer(name, "tinyengine", "instructions_m7_inexact_float_requantise")
            rivals["TinyEngine, exact"] = lambda name: self.peer(name, "tinyengine", "instructions_m7_exact_after_repairs")
            rivals["TinyTS"] = lambda name: self.peer(name, "tinyts", "instructions_m7")
        return self.comparison(title, core, "instructions", rivals)

    def cycles(self) -> str:
        rivals: dict[str, Callable[[str], Any]] = {
            "CMSIS-NN, modelled": lambda name: self.peer(name, "cortex-m4", "tflm_cmsis_nn", "modelled_cycles"),
            "best of MLPerf Tiny, real board": self.record,
        }
        return self.comparison("Modelled cycles on a Cortex-M4 without wait states", "cortex-m4", "modelled_cycles", rivals)

    def record(self, name: str) -> Any:
        """The best published result on the NUCLEO-L4R5ZI."""
        boards = self.peer(name, "mlperf_tiny_on_real_boards") or {}
        return min((cycles for key, cycles in boards.items() if "m4_l4r5" in key), default=None)

    def comparison(self, title: str, core: str, key: str, rivals: Mapping[str, Callable[[str], Any]]) -> str:
        rows = [name for name in self.rows if self.ours(name, core, key)]
        shown = {rival: figure for rival, figure in rivals.items() if any(figure(name) for name in rows)}
        lines = [["model", "MACs", key.replace("_", " "), "per MAC", *(part for rival in shown for part in (rival, "ratio"))]]
        ratios: dict[str, list[float]] = {rival: [] for rival in shown}
        for name in rows:
            mine, macs = self.ours(name, core, key), self.ours(name, core, "macs")
            cells = [name, f"{macs:,}", f"{mine:,}", f"{mine / macs:.2f}" if macs else ""]
            for rival, figure in shown.items():
                theirs = figure(name)
                cells += [f"{round(theirs):,}", f"{mine / theirs:.3f}"] if theirs else ["", ""]
                ratios[rival] += [mine / theirs] if theirs else []
            lines.append(cells)
        lines.append(["geometric mean", "", "", "", *(part for r in shown for part in ("", f"**{_mean(ratios[r]):.3f}**"))])
        worst = (part for r in shown for part in ("", f"{max(ratios[r]):.3f}"))
        lines.append(["worst", "", "", "", *worst])
        return _table(title, lines) if rows else ""

    def arenas(self) -> str:
        ours = ["fastest", "layer by layer", "streamed", "streamed, input pulled"]
        theirs = ["TFLM", "TinyEngine", "TinyEngine, patches", "TinyTS", "TinyTS, input out"]
        lines = [["model", *ours, *theirs]]
        for name in self.rows:
            mine = [self.ours(name, "cortex-m7", "arena")]
            mine += [self.ours(name, "cortex-m7", "least", key) for key in ("layer", "stream", "pull")]
            rivals = [
                self.peer(name, "cortex-m7", "tflm_cmsis_nn", "arena") or self.peer(name, "published", "tflm_arena"),
                self.peer(name, "tinyengine", "sram_layer") or self.peer(name, "published", "tinyengine_sram"),
                self.peer(name, "tinyengine", "sram_best_working_patch_incl_image"),
                self.peer(name, "tinyts", "arena_input_in"),
                self.peer(name, "tinyts", "arena_input_out"),
            ]
            lines.append([name, *map(_number, mine), *map(_number, rivals)])
        return _table("Arena, bytes (Cortex-M7)", lines)

    def code(self) -> str:
        lines = [["model", "core", ".text", "of the C library", ".rodata", "stack", "weight bytes fetched", "CMSIS-NN code"]]
        for name in self.rows:
            for core in self.figures[name]:
                keys = ("text", "library_text", "rodata", "stack", "weight_bytes_fetched")
                mine = [_number(self.ours(name, core, key)) for key in keys]
                lines.append([name, core, *mine, _number(self.peer(name, core, "tflm_cmsis_nn", "code_bytes"))])
        return _table("Code, constants and stack of the generated C, bytes", lines)


def _mean(ratios: Iterable[float]) -> float:
    logarithms = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


def _number(value: float | None) -> str:
    return "" if value is None else f"{round(value):,}"


def _table(title: str, lines: list[list[str]]) -> str:
    head, *body = lines
    left = sum(cell in ("model", "core") for cell in head)
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return f"## {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *body))
