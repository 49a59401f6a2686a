"""What a bug report needs: versions, tools and extras that were found, and a self-test."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from tflm_mcunet import __version__
from tflm_mcunet.compiled import Compiled
from tflm_mcunet.errors import Error
from tflm_mcunet.execute import tflm
from tflm_mcunet.execute.build import host_compiler
from tflm_mcunet.execute.image import REMEDY

TOOLS = {"arm-none-eabi-gcc": REMEDY, "qemu-system-arm": REMEDY}
"""Programs, and how to get them."""

EXTRAS = {
    "tflite-micro": "verify",
    "tensorflow": "nas",
    "tf-keras": "nas",
    "matplotlib": "plot",
    "pillow": "data",
}
"""Python packages that are not always there, and the extra that brings them."""

NEEDED = ("absl-py", "flatbuffers", "Jinja2", "numpy", "rich", "shtab", "tflite")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is `ok`, `missing` (an optional thing) or `failed`, and what was found."""

    what: str
    status: str
    found: str


def examine() -> list[Finding]:
    """All findings; never raises for what is wrong with the installation."""
    return [*_versions(), *_tools(), *_extras(), *_self_test()]


def as_dict(findings: list[Finding]) -> dict[str, Any]:
    """The JSON form."""
    return {"version": __version__, "healthy": healthy(findings), "findings": [asdict(finding) for finding in findings]}


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing failed; optional things may be missing."""
    return all(finding.status != "failed" for finding in findings)


def _versions() -> Iterator[Finding]:
    yield Finding("tflm-mcunet", "ok", __version__)
    yield Finding("Python", "ok", f"{platform.python_implementation()} {platform.python_version()}")
    yield Finding("system", "ok", f"{platform.system()} {platform.release()} {platform.machine()}")
    for package in NEEDED:
        version = _version(package)
        yield Finding(package, "failed" if version is None else "ok", version or "not installed")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tools() -> Iterator[Finding]:
    try:
        compiler = host_compiler()
        yield Finding("host compiler", "ok", _first_line([*compiler, "--version"]))
    except Error as error:
        yield Finding("host compiler", "missing", str(error))
    for name, remedy in TOOLS.items():
        path = shutil.which(name)
        yield Finding(name, "ok", _first_line([path, "--version"])) if path else Finding(name, "missing", remedy)


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not answer ({error})"
    return (done.stdout or done.stderr).strip().split("\n")[0]


def _extras() -> Iterator[Finding]:
    for package, extra in EXTRAS.items():
        version = _version(package)
        yield Finding(package, "ok" if version else "missing", version or f"pip install 'tflm-mcunet[{extra}]'")


# ---- the self-test ----


def _self_test() -> Iterator[Finding]:
    """A small network is compiled, run here and on an emulated core, and compared with TFLM, as far as the tools are there."""
    from tflm_mcunet.compiler import build
    from tflm_mcunet.options import Options

    model = (resources.files("tflm_mcunet") / "self_test.tflite").read_bytes()
    found: list[Compiled] = []

    def compiled() -> str:
        found.append(Compiled(model, build(model, "self_test", Options(target="cortex-m4"))))
        return f"{found[0].report['sram']['arena']} bytes of arena"

    yield _tried("self-test: compile", compiled)
    if not found:
        return
    if not tflm.available():
        yield Finding("self-test: verify", "missing", "pip install 'tflm-mcunet[verify]'")
    else:
        yield _tried("self-test: verify on host", lambda: _verified(found[0], "host"))
        if all(map(shutil.which, TOOLS)):
            yield _tried("self-test: verify on cortex-m4", lambda: _verified(found[0], "cortex-m4"))


def _verified(compiled: Compiled, on: str) -> str:
    result = compiled.verify(on=on, samples=20)
    if not result.passed:
        raise Error(f"{result.differing} of {result.bytes} bytes differ from TFLM; first: {result.first}")
    return f"{result.bytes} bytes, as TFLM computes them"


def _tried(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", check())
    except Exception as error:  # whatever is broken, the other findings are wanted
        text = str(error).splitlines()
        return Finding(what, "failed", f"{type(error).__name__}: {text[0] if text else ''}")
