"""The C++ that makes operators of TFLM's from compiled stages: headers only, so that every build that takes the C takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tflm_mcunet.codegen.emit import OWNERSHIP, kernel_folder
from tflm_mcunet.export.project import render_template

if TYPE_CHECKING:
    from tflm_mcunet.rewrite import Rewritten

HEADER = "mcu_stage.h"


def glue_files(rewritten: Rewritten) -> dict[str, str]:
    """PREFIX_stages.h and the header it is made with."""
    stages = [
        {
            "prefix": stage.prefix,
            "name": stage.name,
            "first": stage.replacement.region.first,
            "last": stage.replacement.region.last,
            "key": [*stage.replacement.key],
            "inputs": len(stage.replacement.inputs),
            "outputs": len(stage.replacement.outputs),
        }
        for stage in rewritten.stages
    ]
    values = {"prefix": rewritten.prefix, "PREFIX": rewritten.prefix.upper(), "stages": stages}
    return {
        f"{rewritten.prefix}_stages.h": render_template("stages/stages.h.j2", values),
        HEADER: OWNERSHIP + (kernel_folder() / "tflm" / HEADER).read_text(),
    }
