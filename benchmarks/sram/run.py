"""The SRAM table: the least arenas of streamed schedules next to other engines, and what 1.25 times the least costs.

    python benchmarks/sram/run.py --models ../shared/models [--mobilenet mobilenet_v2_224.tflite] [--only mcunet_vww1_80,...]

Writes RESULTS.md and results.json beside this file; with --only the other models' results stay. The MobileNetV2 is made by
mobilenet_v2.py.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import app, flags

import tflm_mcunet
from tflm_mcunet.codegen.emit import emit
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.planning import plan_graph

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
MOBILENET = flags.DEFINE_string("mobilenet", None, "the int8 MobileNetV2-1.0 224x224, if it was made")
ONLY = flags.DEFINE_list("only", None, "models to measure")
PRICE = flags.DEFINE_bool("price", True, "also run the emulated Cortex-M7: slower")
HERE = Path(__file__).parent

# Other engines on these models: TFLM's arena; TinyEngine with image; TinyTS with input in / out (../../docs/ARCHITECTURE.md).
PEERS: dict[str, tuple[str, str, str]] = {
    "mcunet_vww1_80": ("219,684", "66,784", "36,960 / 34,448"),
    "person_detection_fpn": ("379,740", "257,448", "fails"),
    "mcunet_in3_320kb": ("493,000", "260,000", "168,256 / 141,104"),
    "mlperf_vww_mobilenet96": ("100,660", "wrong output", "29,568 / 13,824"),
    "mlperf_ic_resnet8": ("54,340", "fails", "14,080 / 13,568"),
    "mlperf_kws_dscnn": ("22,772", "fails", "9,920 / 9,920"),
    "tflm_person_detect": ("82,292", "wrong output", "14,976 / 13,824, wrong output"),
    "mobilenet_v2_224": ("about 1,500,000", "", ""),
}


def least(path: Path, feed: str) -> tuple[dict[str, Any], float]:
    """Report of the smallest schedule that computes nothing twice, after a comparison with TFLM, and the seconds it took."""
    start = time.perf_counter()
    model = tflm_mcunet.compile(path, io="int8", minimize="sram", input=feed, keep_dead_channels=True)
    seconds = time.perf_counter() - start
    verification = model.verify(samples=2)
    if not verification.passed:
        raise SystemExit(f"{path}: {verification.first}")
    return model.report, seconds


def compiled(path: Path, **options: Any) -> Compiled:
    """The model for the emulated Cortex-M7."""
    return tflm_mcunet.compile(path, io="int8", target="cortex-m7", **options)


def measured(model: Compiled) -> dict[str, int]:
    """Arena, instructions, code and fetched weights on the emulated Cortex-M7, after a comparison with TFLM."""
    if not model.verify(samples=1).passed:
        raise SystemExit("a plan's outputs are not TFLM's")
    execution = model.bench(on="cortex-m7")
    return {
        "arena": model.report["sram"]["arena"],
        "instructions": execution.instructions,
        "text": execution.model.text,
        "rodata": execution.model.rodata,
        "weight_bytes_fetched": model.report["flash"]["weight_bytes_fetched"],
    }


def by_layer(model: Compiled) -> Compiled:
    """The same kernels, each of which finishes before the next starts, in as long events as there are."""
    program = model.program
    planned = plan_graph(program.graph, replace(program.options, schedule="layer", sram=1 << 40))
    lowered, how, where = planned.lowered, planned.schedule, planned.plan
    emission = emit(planned.graph, lowered, how, where, program.prefix, {}, program.options.extras)
    return Compiled(model.model, replace(program, planned=planned, emission=emission))


def price(path: Path) -> dict[str, dict[str, int]]:
    """Layer by layer, at 1.25 times the least SRAM and its kernels layer by layer, and at the least SRAM."""
    smallest = measured(compiled(path, minimize="sram"))
    larger = compiled(path, sram=smallest["arena"] * 5 // 4)
    return {
        "layer": measured(compiled(path, schedule="layer")),
        "at 1.25x": measured(larger),
        "its kernels by layer": measured(by_layer(larger)),
        "least": smallest,
    }


def main(argv: Sequence[str]) -> None:
    """Writes both tables."""
    paths = {name: Path(MODELS.value) / f"{name}.tflite" for name in PEERS if name != "mobilenet_v2_224"}
    if MOBILENET.value:
        paths["mobilenet_v2_224"] = Path(MOBILENET.value)
    before = json.loads((HERE / "results.json").read_text()) if ONLY.value else {}
    results: dict[str, Any] = {name: before[name] for name in PEERS if name in before}
    for name, path in paths.items():
        if ONLY.value and name not in ONLY.value:
            continue
        (whole, seconds), (pulled, _) = least(path, "whole"), least(path, "pull")
        results[name] = {"whole": whole["sram"], "pulled": pulled["sram"], "seconds": round(seconds, 2)}
        if PRICE.value:
            results[name]["price"] = price(path)
        print(name, results[name]["whole"]["arena"], results[name]["pulled"]["arena"])
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "RESULTS.md").write_text(tables(results))


def tables(results: dict[str, Any]) -> str:
    """Both tables as Markdown."""
    lines = [
        "# SRAM",
        "",
        "`python benchmarks/sram/run.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite`",
        "",
        "Bytes of the whole arena (input, line buffers, scratch, accumulators, alignment), int8 edges, `--minimize sram`,",
        "nothing computed twice, bit-exact with TFLM. The bound is the most bytes that live at one moment of the schedule.",
        "For the generic core, whose kernels need least, with dead channels kept; what follows on the price is for the",
        "Cortex-M7, without them.",
        "",
        "| model | TFLM arena | TinyEngine with image | TinyTS, input in / out | input whole (bound) | input pulled (bound) |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = [f"{result[feed]['arena']:,} ({result[feed]['lower_bound']:,})" for feed in ("whole", "pulled")]
        lines.append(f"| {name} | {' | '.join((*PEERS[name], *cells))} |")
    lines += [
        "",
        "493,000 and 260,000 for mcunet_in3_320kb are no arenas measured here but peak SRAM on a STM32H743 as TinyEngine's",
        "README publishes it, in kB (updated 2022-12, read 2026-11-21; docs/peers.md).",
        "",
        "## What it costs",
        "",
        "Executed instructions of one inference on the emulated Cortex-M7 at 1.25 times the least arena, next to the same",
        "kernels layer by layer and to the fastest kernels layer by layer; bytes of code and of read-only data (tables of events",
        "and places) beside the same kernels layer by layer, and weight bytes fetched next to theirs.",
        "",
        "| model | arena | instructions, same kernels | instructions, fastest | .text | .rodata | weights fetched |",
        "|---|---|---|---|---|---|---|",
        *(_price(name, result["price"]) for name, result in results.items() if "price" in result),
        "",
        "What was measured: layer by layer, with the fastest kernels and no limit; at 1.25 times the least arena; that plan's",
        "own kernels layer by layer; at the least arena. Ratios are to the first of these.",
        "",
        "| model | schedule | arena | instructions | ratio | .text | .rodata | weight bytes fetched |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for label, row in result.get("price", {}).items():
            ratio = row["instructions"] / result["price"]["layer"]["instructions"]
            figures = [f"{row[key]:,}" for key in ("text", "rodata", "weight_bytes_fetched")]
            lines.append(
                f"| {name} | {label} | {row['arena']:,} | {row['instructions']:,} | {ratio:.3f} | {' | '.join(figures)} |"
            )
    return "\n".join(lines) + "\n"


def _price(name: str, price: dict[str, dict[str, int]]) -> str:
    """A row of what 1.25 times the least arena costs."""
    here, same, fastest = (price[label] for label in ("at 1.25x", "its kernels by layer", "layer"))
    ratios = [f"{here['instructions'] / other['instructions']:.3f}" for other in (same, fastest)]
    more = [f"{here[key] - same[key]:+,}" for key in ("text", "rodata")]
    fetched = f"{here['weight_bytes_fetched'] / same['weight_bytes_fetched']:.3f}"
    return f"| {name} | {here['arena']:,} | {' | '.join([*ratios, *more, fetched])} |"


if __name__ == "__main__":
    app.run(main)
