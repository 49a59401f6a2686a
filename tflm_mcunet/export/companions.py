"""Files beside the generated C that extras ask for: the self-test, and the interface that TFLM's users know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from tflm_mcunet.codegen.emit import arena_alignment, c_array
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled

TFLITE_TYPES = {
    "float32": "kTfLiteFloat32",
    "int32": "kTfLiteInt32",
    "uint8": "kTfLiteUInt8",
    "int64": "kTfLiteInt64",
    "bool": "kTfLiteBool",
    "int16": "kTfLiteInt16",
    "int8": "kTfLiteInt8",
    "uint32": "kTfLiteUInt32",
    "uint16": "kTfLiteUInt16",
}


def companion_files(compiled: Compiled) -> dict[str, str]:
    """The files by name; none without extras.

    Raises:
        Error: a self-test cannot be made here, or finds a difference from TFLM.
    """
    files: dict[str, str] = {}
    extras = compiled.program.options.extras
    if "self-test" in extras:
        files |= _self_test(compiled)
    if "tflm" in extras:
        files |= _facade(compiled)
    return files


def _self_test(compiled: Compiled) -> dict[str, str]:
    """A random input and the output it must give: that of TFLM where it is installed, and of this machine."""
    from tflm_mcunet.execute.tflm import available
    from tflm_mcunet.verify import random_samples

    sample = random_samples(compiled.program, 1)[0]
    if available():
        verified = compiled.verify(inputs=[sample])
        if not verified.passed:
            raise Error(f"no self-test: the generated C differs from TFLM: {verified.first}")
    expected = compiled.run(*sample)
    values = {
        **_names(compiled),
        "pulled": compiled.pulled,
        "inputs": [_stored(f"input{i}", value) for i, value in enumerate(sample)],
        "outputs": [_stored(f"output{i}", value) for i, value in enumerate(expected)],
    }
    return {f"{compiled.program.prefix}_self_test{suffix}": _render(f"self_test{suffix}.j2", values) for suffix in (".h", ".c")}


def _stored(name: str, value: Array) -> str:
    return c_array(name, value.astype(np.uint8) if value.dtype == np.bool_ else value)


def _facade(compiled: Compiled) -> dict[str, str]:
    graph = compiled.program.graph
    values = {
        **_names(compiled),
        "alignment": arena_alignment(compiled.program.options.extras),
        "edges": [("input", [_tensor(t) for t in graph.inputs]), ("output", [_tensor(t) for t in graph.outputs])],
    }
    return {
        f"{compiled.program.prefix}_tflm.h": _render("tflm.h.j2", values),
        "mcu_tflm.h": _render("mcu_tflm.h.j2", {"types": TFLITE_TYPES.values()}),
    }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"type": TFLITE_TYPES[str(np.dtype(tensor.dtype))], "dims": list(tensor.shape), "bytes": tensor.bytes}


def _names(compiled: Compiled) -> dict[str, str]:
    return {"prefix": compiled.program.prefix, "PREFIX": compiled.program.prefix.upper()}


def _render(template: str, values: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tflm_mcunet.export", "templates/companions"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(values)
