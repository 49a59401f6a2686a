"""C files that stand beside a network's: constant tables with a header, and the kernels' headers that they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tflm_mcunet.codegen.emit import c_array, kernel_folder
from tflm_mcunet.graph import Array


def kernel_headers(*names: str) -> dict[str, str]:
    """Headers of ops/ by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in kernel_folder().glob("*/*.h") if path.name in names}


def tables(arrays: Mapping[str, tuple[Array, type]]) -> str:
    """C definitions of arrays, each with its element type."""
    return "\n".join(c_array(name, np.ascontiguousarray(values, kind)) for name, (values, kind) in arrays.items())


def record(kind: str, name: str, fields: Mapping[str, object]) -> str:
    """The definition of a C struct's constant, field by field in order."""
    values = "\n".join(f"    {value}, /* {field} */" for field, value in fields.items())
    return f"const struct {kind} {name} = {{\n{values}\n}};\n"


def header(name: str, includes: Sequence[str], lines: Sequence[str]) -> str:
    """A header of this file name."""
    guard = name.upper().replace(".", "_")
    return "\n".join(
        [f"#ifndef {guard}", f"#define {guard}", "", *[f'#include "{file}"' for file in includes], "", *lines, "", "#endif", ""]
    )
