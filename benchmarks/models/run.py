"""Measures whole networks on emulated cores, next to other engines: writes results.json and RESULTS.md.

    python benchmarks/models/run.py
    python benchmarks/models/run.py --models mlperf_kws_dscnn,mcunet_vww1_80 --cores cortex-m4

Models and cores that are not measured keep their figures in results.json. Exits with 1 where a model does not compile or run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.models import tables  # noqa: E402
from tflm_mcunet.compiled import Compiled  # noqa: E402
from tflm_mcunet.compiler import build  # noqa: E402
from tflm_mcunet.errors import Error  # noqa: E402
from tflm_mcunet.options import Options  # noqa: E402

SRAM = 4 << 20
"""Memory enough for the fastest schedule of any of the models, so that no limit slows it down."""
ARENAS = "cortex-m7"
"""The core for which the least arenas are searched for, which takes a while; they hardly depend on it."""
CORES = ("cortex-m4", "cortex-m7", "cortex-m55", "cortex-m3")

FLAGS = flags.FLAGS
flags.DEFINE_string("shared", str(ROOT.parent / "shared"), "folder that holds models/ and, where known, peers.json")
flags.DEFINE_list("models", [], "names of .tflite files without the suffix; all by default")
flags.DEFINE_list("cores", list(CORES), "emulated cores")
flags.DEFINE_bool("write", True, "update results.json and RESULTS.md")


def models() -> dict[str, Path]:
    """The models by name, the smallest file first."""
    paths = [*(Path(FLAGS.shared) / "models").glob("*.tflite")]
    found = {path.stem: path for path in sorted(paths, key=lambda path: path.stat().st_size)}
    return {"fashion_mnist": ROOT / "examples" / "fashion_mnist" / "model.tflite", **found}


def sample(compiled: Compiled) -> list[Any]:
    """The input that the peers were measured with: byte i is (37 i + 11) mod 256, as int8 128 less."""
    values = []
    for tensor in compiled.program.graph.inputs:
        data = (np.arange(tensor.bytes) * 37 + 11).astype(np.uint8)
        if tensor.dtype == np.int8:
            data = (data - 128).astype(np.uint8).view(np.int8)
        elif tensor.dtype == np.float32:
            data = np.linspace(-1, 1, tensor.bytes // 4, dtype=np.float32)
        values.append(data.view(tensor.dtype).reshape(tensor.shape))
    return values


def measure(name: str, path: Path, core: str) -> dict[str, Any]:
    """Everything that is known of one model on one core."""
    data = path.read_bytes()

    def compiled(**options: Any) -> Compiled:
        return Compiled(data, build(data, name, Options(target=core, io="int8", **options)))

    def arena(**options: Any) -> int:
        return compiled(minimize="sram", **options).program.plan.arena

    fast = compiled(sram=SRAM)
    execution = fast.bench(on=core, sample=sample(fast))
    report = fast.report
    assert execution.counts is not None
    found = {
        "macs": report["macs"],
        "macs_executed": report["macs_executed"],
        "instructions": execution.instructions,
        **({} if execution.modelled_cycles is None else {"modelled_cycles": execution.modelled_cycles}),
        "weight_bytes_fetched": report["flash"]["weight_bytes_fetched"],
        "stack": execution.stack_bytes,
        "text": execution.model.text,
        "library_text": execution.library.text,
        "rodata": execution.model.rodata,
        "arena": report["sram"]["arena"],
    }
    if core == ARENAS:
        found["least"] = {"layer": arena(schedule="layer"), "stream": arena(), "pull": arena(input="pull")}
    return found


def version(command: str) -> str:
    """The first line with which a tool introduces itself."""
    return subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main(arguments: Sequence[str]) -> int:
    """Measures what the flags ask for and writes both files."""
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]}")
    known = models()
    unknown = set(FLAGS.models) - set(known)
    if unknown:
        raise app.UsageError(f"no model {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    results_file, peers_file = HERE / "results.json", Path(FLAGS.shared) / "peers.json"
    results: dict[str, Any] = json.loads(results_file.read_text()) if results_file.exists() else {}
    figures = results.setdefault("models", {})
    failed = False
    for core in FLAGS.cores:
        for name in FLAGS.models or known:
            start = time.monotonic()
            try:
                figures.setdefault(name, {})[core] = measure(name, known[name], core)
                text = f"{figures[name][core]['instructions']:,} instructions"
            except Error as error:
                failed, text = True, f"FAILED: {error}"
            print(f"{core} {name}: {text} ({time.monotonic() - start:.1f} s)", flush=True)
    results["tools"] = [version("arm-none-eabi-gcc"), version("qemu-system-arm")]
    if peers_file.exists():
        results["peers"] = json.loads(peers_file.read_text())["models"]
    text = tables.markdown(results)
    if FLAGS.write:
        results_file.write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(text)
    print(text)
    return int(failed)


if __name__ == "__main__":
    app.run(main)
