"""The commands that report: analyze, compare and evaluate; each prints tables or JSON, and writes a page where asked to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from tflm_mcunet.compiled import Compiled
from tflm_mcunet.fit import DoesNotFit
from tflm_mcunet.options import Options
from tflm_mcunet.report import page, terminal
from tflm_mcunet.report.progress import steps
from tflm_mcunet.source import load


def analyze_in_full(options: argparse.Namespace, chosen: Options) -> None:
    """`analyze` with all that takes longer; a model that does not fit is reported, and then an error."""
    from tflm_mcunet.report.analysis import analyze

    model, source = load(options.model)
    with steps("reading") as progress:
        found = analyze(model, source, chosen, on=options.on, say=progress.say)
        if options.data:
            progress.say("evaluating")
            found["accuracy"] = _evaluated(options, _compiled(model, source, chosen), progress)
    _give(options, found, page.page, terminal.full_analysis)
    if found["problem"]:
        raise DoesNotFit(found["problem"])


def compare(options: argparse.Namespace, chosen: Options) -> None:
    """`compare`: several models, schedules or folders."""
    from tflm_mcunet.compare import compare

    with steps("compiling") as progress:
        found = compare(options.models, chosen, progress.count)
    _give(options, found, page.comparison, terminal.comparison)


def evaluate(options: argparse.Namespace, chosen: Options) -> int:
    """`evaluate`: accuracy, and agreement with TFLM; status 1 where a byte differs."""
    model, source = load(options.model)
    with steps("evaluating") as progress:
        found = _evaluated(options, _compiled(model, source, chosen), progress)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        terminal.evaluation(found)
    return 1 if found["tflm"]["differing"] else 0


def _compiled(model: bytes, source: str, chosen: Options) -> Compiled:
    from tflm_mcunet.compiler import build

    return Compiled(model, build(model, source, chosen, must_fit=False))


def _evaluated(options: argparse.Namespace, compiled: Compiled, progress: Any) -> dict[str, Any]:
    from tflm_mcunet.evaluate import evaluate

    more = {"limit": options.limit, "tflm_samples": options.tflm_samples, "progress": progress.count}
    return evaluate(compiled, options.data, array=options.array, pixels=options.pixels, **more).as_dict()


def _give(options: argparse.Namespace, found: Mapping[str, Any], render: Any, show: Any) -> None:
    if options.html:
        page.write(render(found), options.html)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
        if options.html:
            print(f"wrote {options.html}")
