"""What the MFCC front end takes on emulated cores: instructions per second of sound and by C function, and its bytes of flash.

    python benchmarks/nas/frontend.py --cores cortex-m0plus,cortex-m4,cortex-m7

The front end is run as if it were a network, from samples to features, and its features are compared with Python's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from nas.data.mfcc import Mfcc
from nas.tasks.frontend import frontend_files
from tflm_mcunet.execute.generated import Generated, tensor_type
from tflm_mcunet.execute.qemu import Execution, run_on
from tflm_mcunet.graph import Array

CORES = flags.DEFINE_list("cores", ["cortex-m4"], "emulated cores")
SCALE, ZERO_POINT = 0.58470291, 83  # of the input of MLPerf Tiny's DS-CNN

PROGRAM = """#include "{prefix}_mfcc.h"
#include "{prefix}.h"
static int16_t clip[{upper}_MFCC_SAMPLES];
static int32_t scratch[{upper}_MFCC_SCRATCH];
static int8_t features[{upper}_OUTPUT_0_BYTES];
void *{prefix}_input(int index) {{ return index ? 0 : clip; }}
const void *{prefix}_output(int index) {{ return index ? 0 : features; }}
int {prefix}_invoke(void)
{{
    mcu_mfcc_clip(&{prefix}_mfcc, clip, {upper}_MFCC_PEAK(clip), scratch, features);
    return 0;
}}
"""
HEADER = """#define {upper}_INPUT_0_BYTES {input_bytes}
#define {upper}_OUTPUT_0_BYTES {output_bytes}
void *{prefix}_input(int index);
const void *{prefix}_output(int index);
int {prefix}_invoke(void);
"""


def main(argv: Sequence[str]) -> None:
    """Prints a table."""
    mfcc = Mfcc()
    clip = np.random.default_rng(0).normal(0, 3000, mfcc.samples).astype(np.int16)
    print("| core | instructions per clip | per frame | code | tables |\n| --- | --- | --- | --- | --- |")
    for core in CORES.value:
        run = executed(mfcc, core, clip)
        if not (run.outputs[0][0].reshape(mfcc.frames, -1) == mfcc.quantised(clip, SCALE, ZERO_POINT)).all():
            raise SystemExit(f"{core}: features differ from Python's")
        sizes = run.model
        print(f"| {core} | {run.instructions:,} | {run.instructions // mfcc.frames:,} | {sizes.text:,} | {sizes.rodata:,} |")
        functions = sorted(run.counts.functions.items(), key=lambda item: -item[1]) if run.counts else []
        print("\n".join(f"    {count:>12,} {name}" for name, count in functions[:8]))


def executed(mfcc: Mfcc, core: str, clip: Array) -> Execution:
    """One clip through the front end on an emulated core."""
    names = {"prefix": "kws", "upper": "KWS", "input_bytes": 2 * len(clip), "output_bytes": mfcc.frames * mfcc.coefficients}
    files = {**frontend_files(mfcc, "kws", SCALE, ZERO_POINT), "kws.c": PROGRAM.format(**names), "kws.h": HEADER.format(**names)}
    with tempfile.TemporaryDirectory() as name:
        for file, text in files.items():
            (Path(name) / file).write_text(text, encoding="utf-8")
        edges = tensor_type(np.int16, (len(clip),)), tensor_type(np.int8, (mfcc.frames, mfcc.coefficients))
        return run_on(core, Generated(Path(name), "kws", edges[:1], edges[1:]), [[clip]])


if __name__ == "__main__":
    app.run(main)
