"""Compares many random networks with TFLM, byte by byte, and adds what was run to results.json and RESULTS.md.

    python benchmarks/fuzz/run.py --networks 10000 --seed 1000000 --jobs 2

Exits with 1 where a byte differs or a network fails. Each batch runs in a process of its own, so that a crash is one failure.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.networks.compare import compare  # noqa: E402
from tests.networks.generate import generate_seeded  # noqa: E402
from tflm_mcunet.execute.tflm import Tflm  # noqa: E402
from tflm_mcunet.operators import OPERATORS  # noqa: E402

BATCH = 50


def run_batch(first: int, count: int, samples: int, operators: int, failures: str) -> dict[str, Any]:
    """What became of the networks of seeds [first, first + count)."""
    networks = {seed: generate_seeded(seed, OPERATORS, operators) for seed in range(first, first + count)}
    with Tflm() as oracle:
        outcomes = compare([n.model for n in networks.values()], oracle, samples, seed=first)
    wrong = {}
    for (seed, network), outcome in zip(networks.items(), outcomes, strict=True):
        if not outcome.good:
            wrong[seed] = f"{outcome.differing} of {outcome.compared} bytes; {outcome.problem}"
            Path(failures).mkdir(parents=True, exist_ok=True)
            (Path(failures) / f"network_{seed}.tflite").write_bytes(network.model)
    return {
        "networks": len(networks),
        "operators": sum((n.kinds for n in networks.values()), Counter()),
        "bytes_compared": sum(o.compared for o in outcomes),
        "bytes_differing": sum(o.differing for o in outcomes),
        "failed": wrong,
    }


def run_batches(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The results of all batches; a batch that kills its process counts as failed."""
    firsts = range(args.seed, args.seed + args.networks, BATCH)
    count = {first: min(BATCH, args.seed + args.networks - first) for first in firsts}
    pending = list(firsts)
    alone = False
    while pending:
        with concurrent.futures.ProcessPoolExecutor(1 if alone else args.jobs) as pool:
            batch = pending[:1] if alone else pending[: 4 * args.jobs]
            futures = {
                first: pool.submit(run_batch, first, count[first], args.samples, args.operators, args.failures) for first in batch
            }
            for first, future in futures.items():
                try:
                    yield future.result()
                    pending.remove(first)
                except BrokenProcessPool:  # who did it is only known when it runs alone
                    if alone:
                        pending.remove(first)
                        yield {"networks": count[first], "failed": {first: "the batch from this seed on killed its process"}}
                    alone = not alone
                    break
            else:
                alone = False


def record(args: argparse.Namespace) -> dict[str, Any]:
    """Runs everything and sums it up."""
    start = time.monotonic()
    total: dict[str, Any] = {"networks": 0, "bytes_compared": 0, "bytes_differing": 0}
    kinds: Counter[str] = Counter()
    failed: dict[int, str] = {}
    for result in run_batches(args):
        kinds.update(result.pop("operators", {}))
        failed |= result.pop("failed")
        total = {key: total[key] + result.get(key, 0) for key in total}
        print(f"{total['networks']} networks, {total['bytes_differing']} bytes differ, {len(failed)} failed", flush=True)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "seeds": [args.seed, args.seed + args.networks - 1],
        "samples": args.samples,
        **total,
        "failed": failed,
        "operators": dict(sorted(kinds.items())),
        "seconds": round(time.monotonic() - start),
    }


def markdown(records: list[dict[str, Any]]) -> str:
    """All runs as a table, and the operators of the last one."""
    lines = [
        "# Random networks against TFLM",
        "",
        "Written by `benchmarks/fuzz/run.py`; `results.json` has the details. A network is compared on random inputs, all output",
        "bytes (in two of five networks all intermediate tensors are outputs).",
        "",
        "| date | commit | networks | seeds | inputs each | bytes compared | bytes differing | failed networks |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        seeds = f"{r['seeds'][0]} to {r['seeds'][1]}"
        counts = [f"{r['networks']:,}", seeds, r["samples"], f"{r['bytes_compared']:,}", r["bytes_differing"], len(r["failed"])]
        lines.append("| " + " | ".join(map(str, [r["date"], r["commit"], *counts])) + " |")
    lines += ["", "Operators in the last run:", "", "| operator | count |", "|---|---|"]
    lines += [f"| {kind} | {count:,} |" for kind, count in records[-1]["operators"].items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first network; the others follow")
    parser.add_argument("--samples", type=int, default=3, help="random inputs per network")
    parser.add_argument("--operators", type=int, default=12, help="about as many operators per network, at most")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", default="failed_networks", help="folder for the models that fail")
    parser.add_argument("--no-record", action="store_true", help="leave results.json and RESULTS.md as they are")
    args = parser.parse_args()
    result = record(args)
    for seed, reason in result["failed"].items():
        print(f"seed {seed}: {reason}")
    if not args.no_record:
        file = HERE / "results.json"
        records = [*(json.loads(file.read_text()) if file.exists() else []), result]
        file.write_text(json.dumps(records, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(markdown(records))
    return 1 if result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
