"""Hand-written generated folders, small enough to know what they compute, cost and use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tflm_mcunet.execute.generated import Generated, tensor_type

HEADER = """
#include <stdint.h>
#define {U}_ARENA_BYTES 64
#define {U}_INPUTS 1
#define {U}_OUTPUTS 1
#define {U}_INPUT_0_BYTES {size}
#define {U}_OUTPUT_0_BYTES {size}
typedef const int8_t *(*{p}_row_source)(void *context, int row, int8_t *buffer);
void *{p}_input(int index);
int {p}_invoke(void);
int {p}_invoke_rows({p}_row_source source, void *context);
const void *{p}_output(int index);
"""

# Adds one to every byte, 12 = 3 rows of 4; `body` runs before that in every inference.
WHOLE = """
#include "{p}.h"
static int8_t arena[{size}];
static int8_t result[{size}];
{globals}
void *{p}_input(int index) {{ return index == 0 ? arena : 0; }}
const void *{p}_output(int index) {{ return index == 0 ? result : 0; }}
int {p}_invoke(void)
{{
    {body}
    for (int i = 0; i < {size}; ++i) {{
        result[i] = (int8_t)(arena[i] + 1);
    }}
    return 0;
}}
"""

PULL = """
#include "{p}.h"
static int8_t result[{size}];
void *{p}_input(int index) {{ (void)index; return 0; }}
const void *{p}_output(int index) {{ return index == 0 ? result : 0; }}
int {p}_invoke_rows({p}_row_source source, void *context)
{{
    int8_t buffer[4];
    for (int row = {first}; row < {rows}; ++row) {{
        const int8_t *data = source(context, row, buffer);
        if (data == 0) {{
            return 1;
        }}
        for (int i = 0; i < 4; ++i) {{
            result[row * 4 + i] = (int8_t)(data[i] + 1);
        }}
    }}
    return 0;
}}
"""

IMAGE = tensor_type(np.int8, (1, 3, 4, 1))
SAMPLE = np.arange(-6, 6, dtype=np.int8).reshape(IMAGE.shape)


def whole(folder: Path, prefix: str = "toy", body: str = "", globals: str = "") -> Generated:
    """A model of 12 int8 bytes that adds one; `body` is C inside invoke, `globals` C before it."""
    text = WHOLE.format(p=prefix, size=IMAGE.nbytes, body=body, globals=globals)
    return _write(folder, prefix, text, pull=False)


def pull(folder: Path, prefix: str = "toy", first: int = 0, rows: int = 3) -> Generated:
    """The same in pull mode; asks for rows `first` to `rows`, 0 to 3 where it is right."""
    return _write(folder, prefix, PULL.format(p=prefix, size=IMAGE.nbytes, first=first, rows=rows), pull=True)


def _write(folder: Path, prefix: str, text: str, *, pull: bool) -> Generated:
    (folder / f"{prefix}.h").write_text(HEADER.format(p=prefix, U=prefix.upper(), size=IMAGE.nbytes))
    (folder / f"{prefix}.c").write_text(text)
    return Generated(folder, prefix, (IMAGE,), (IMAGE,), pull)
