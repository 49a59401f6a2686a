"""How long the search for a schedule takes: processor time from the rewritten graph to kernels, schedule and places.

    python benchmarks/planning/seconds.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite

Writes SECONDS.md beside this file: rows are the two largest reference models, columns limits as multiples of the least arena.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absl import app, flags

from tflm_mcunet.compiler import prepared, supported
from tflm_mcunet.graph import Graph
from tflm_mcunet.kernels.choice import plan_with_kernels
from tflm_mcunet.options import Options

MODELS = flags.DEFINE_string("models", None, "folder of the reference models", required=True)
MOBILENET = flags.DEFINE_string(
    "mobilenet", None, "the int8 MobileNetV2-1.0 224x224 (benchmarks/sram/mobilenet_v2.py)", required=True
)
FACTORS = (1.0, 1.01, 1.02, 1.05, 1.07, 1.1, 1.25, 1.5, 2.0)
HEAD = ("model", "core", "input", "least arena", "`--minimize sram`", *(f"{factor:g}x" for factor in FACTORS))
PAGE = """# Seconds of search

`python benchmarks/planning/seconds.py --models ../shared/models --mobilenet mobilenet_v2_224.tflite`

Processor time of one search, from the rewritten graph to kernels, schedule and the place of every row, int8 edges: for the
least arena, and for the fastest plan within multiples of it. Dead channels
are removed. Reading and rewriting the model take 0.2 to 0.3 seconds more.

"""


def main(argv: Sequence[str]) -> None:
    """Measures and writes the page."""
    del argv
    lines = [HEAD, ("---",) * 3 + ("---:",) * (len(HEAD) - 3)]
    for path in (Path(MODELS.value) / "mcunet_in3_320kb.tflite", Path(MOBILENET.value)):
        source = supported(path.read_bytes(), path.name)
        for core in ("cortex-m7", "generic"):
            for feed in ("whole", "pull"):
                lines.append(
                    (path.stem, core, feed, *measured(source, Options(target=core, input=feed, io="int8", minimize="sram")))
                )
                print(*lines[-1], flush=True)
    page = PAGE + "".join(f"| {' | '.join(line)} |\n" for line in lines)
    Path(__file__).with_name("SECONDS.md").write_text(page, encoding="utf-8")


def measured(source: Graph, options: Options) -> list[str]:
    """The least arena, and the seconds of the searches."""
    graph = prepared(source, options)
    least, arena = timed(graph, options)
    limits = [replace(options, minimize="latency", sram=int(factor * arena)) for factor in FACTORS]
    return [f"{arena:,}", *(f"{seconds:.1f}" for seconds in (least, *(timed(graph, each)[0] for each in limits)))]


def timed(graph: Graph, options: Options) -> tuple[float, int]:
    """Seconds of processor time, and the arena that was found."""
    start = time.process_time()
    planned = plan_with_kernels(graph, options)
    return time.process_time() - start, planned.plan.arena


if __name__ == "__main__":
    app.run(main)
