"""What every export is made from: the generated C, the facts that manifests and examples state, and the templates."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from tflm_mcunet.codegen.emit import C_TYPES
from tflm_mcunet.graph import Tensor
from tflm_mcunet.targets import MemoryBank, Target

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled
    from tflm_mcunet.rewrite import Rewritten

VERSION = "1.0.0"
EXAMPLES = ("example/", "examples/", "sample/")
"""Where projects have what runs the network."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of all files in archives, so that the same model gives the same bytes."""

_RAMPS = {
    "i": "({type})(i % 256 - 128)",
    "u": "({type})(i % 256)",
    "f": "(float)(i % 256) / 255.0f",
    "b": "({type})(i % 2)",
}


@dataclass(frozen=True)
class Edge:
    """An input or output for examples: its C type, how many elements, and an expression for element i of a stand-in."""

    type: str
    elements: int
    ramp: str

    @classmethod
    def of(cls, tensor: Tensor) -> Edge:
        """The edge that is `tensor`."""
        kind = C_TYPES[np.dtype(tensor.dtype)]
        elements = int(np.prod(tensor.shape, dtype=np.int64))
        return cls(kind, elements, _RAMPS[np.dtype(tensor.dtype).kind].format(type=kind))


@dataclass(frozen=True)
class Project:
    """One compiled model, ready to be wrapped.

    Attributes:
        prefix: of its C symbols; also the name of libraries, targets and components.
        sources: the generated C by name.
        board: what it was compiled for.
        arena, weights: bytes.
    """

    prefix: str
    model: str
    sources: Mapping[str, str]
    board: Target
    arena: int
    weights: int
    inputs: tuple[Edge, ...]
    outputs: tuple[Edge, ...]
    features: frozenset[str]
    """Of the options: "pull" and the extras; "stages" where this is no network but stages for TFLM's interpreter."""
    picture: tuple[int, ...]
    """Rows, columns and channels of input 0, where it is one; else empty."""

    @classmethod
    def of(cls, compiled: Compiled, sources: Mapping[str, str]) -> Project:
        """The project of a compiled model, whose C by name is `sources`."""
        program = compiled.program
        return cls(
            prefix=program.prefix,
            model=program.source.name,
            sources=sources,
            board=program.options.board,
            arena=program.plan.arena,
            weights=program.emission.constant_bytes,
            inputs=tuple(map(Edge.of, program.graph.inputs)),
            outputs=tuple(map(Edge.of, program.graph.outputs)),
            features=frozenset(program.options.extras) | ({"pull"} if compiled.pulled else set()),
            picture=program.graph.inputs[0].nhwc[1:] if len(program.graph.inputs[0].shape) == 4 else (),
        )

    @classmethod
    def of_stages(cls, rewritten: Rewritten) -> Project:
        """The project of a rewritten model's stages, which TFLM's interpreter runs."""
        programs = [stage.compiled.program for stage in rewritten.stages]
        return cls(
            prefix=rewritten.prefix,
            model=rewritten.source,
            sources=rewritten.files,
            board=rewritten.options.board,
            arena=rewritten.after,
            weights=sum(program.emission.constant_bytes for program in programs),
            inputs=tuple(map(Edge.of, programs[0].graph.inputs)),
            outputs=tuple(map(Edge.of, programs[0].graph.outputs)),
            features=frozenset(rewritten.options.extras) | {"stages"},
            picture=(),
        )

    @property
    def header(self) -> str:
        """The header that applications include."""
        return f"{self.prefix}_stages.h" if "stages" in self.features else f"{self.prefix}.h"

    def kept(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files of a project and whose they are; those of stages have no example, and a README of their own."""
        files = {**files, "LICENSE.txt": self.render("LICENSE.txt.j2")}
        if "stages" not in self.features:
            return files
        kept = {path: content for path, content in files.items() if not path.startswith(EXAMPLES)}
        return {**kept, "README.md": self.render("stages/README.md.j2")}

    @property
    def home(self) -> MemoryBank | None:
        """The first bank of the board, so the fastest, that holds the arena."""
        return next((bank for bank in self.board.sram or () if bank.bytes >= self.arena), None)

    @property
    def around_home(self) -> list[MemoryBank]:
        """The home of the arena and the banks adjacent to it that linker scripts put into the same region, by address."""
        home = self.home
        return (
            [] if home is None else [bank for run in self.board.runs if home in run for bank in run if bank.region == home.region]
        )

    @property
    def c_files(self) -> list[str]:
        """The names of what is to be compiled."""
        return sorted(name for name in self.sources if name.endswith(".c"))

    @property
    def headers(self) -> list[str]:
        """The names of the headers, the public one first."""
        return sorted((name for name in self.sources if name.endswith(".h")), key=lambda name: (name != self.header, name))

    def in_folder(self, folder: str) -> dict[str, bytes]:
        """The generated C below `folder`."""
        return {f"{folder}/{name}": text.encode() for name, text in self.sources.items()}

    def render(self, template: str, **values: Any) -> bytes:
        """A template of this package, filled with the facts of the project and `values`."""
        text = (
            _templates()
            .get_template(template)
            .render(project=self, prefix=self.prefix, PREFIX=self.prefix.upper(), version=VERSION, **values)
        )
        return text.encode()


def render_template(template: str, values: Mapping[str, Any]) -> str:
    """A template of this package, filled with `values`."""
    return _templates().get_template(template).render(values)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A .zip of files by path, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, content)
    return buffer.getvalue()


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tflm_mcunet.export"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
