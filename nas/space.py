"""Search spaces: what may vary in a family of networks, as TOML data, and its networks as arrays of numbers.

    space = load("mcunet")                            # a name of nas/spaces, or a file of one's own
    genes = space.sample(np.random.default_rng(0), 1000)
    architectures = space.architectures(genes)        # for patch_scheduler.batch.estimate

A network is a first convolution, stages of inverted bottlenecks and a head. Its genes are one row of small integers, each
the index of an option: resolution, width, the depth of every stage, then kernel, expansion and width of every block.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from patch_scheduler.architecture import Architecture, Bottleneck, Convolution
from tflm_mcunet.errors import Error

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

_FOLDER = Path(__file__).parent / "spaces"
_LARGEST_MAP = 1024
_LARGEST_LAYER = 4096


class SpaceError(Error):
    """There is no such space, or its file is wrong."""


@dataclass(frozen=True)
class Stem:
    """The first layer, a full convolution; `channels` before the width is applied."""

    channels: int
    kernel: int = 3
    stride: int = 2


@dataclass(frozen=True)
class Stage:
    """Inverted bottlenecks of equal channels (before widths), the first one with the stride; and the options of each."""

    channels: int
    stride: int
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where a block may stand: the `index`-th of the stage of that number."""

    number: int
    stage: Stage
    index: int

    @property
    def stride(self) -> int:
        return 1 if self.index else self.stage.stride

    @property
    def optional(self) -> bool:
        """Whether networks without it exist."""
        return self.index >= min(self.stage.depths)

    @property
    def expands(self) -> bool:
        """Whether a pointwise convolution comes before the depthwise one."""
        return self.stage.expansions != (1,)


@dataclass(frozen=True)
class Networks:
    """What genes stand for: arrays [network] and [network, place]. Blocks that are not `real` have the shape of their input.

    `kernel`, `middle` (channels of the depthwise convolution) and `channels` describe a block, `adds` whether it adds its input.
    """

    height: Int
    width: Int
    stem: Int
    real: Bool
    kernel: Int
    inputs: Int
    middle: Int
    channels: Int
    adds: Bool
    head: Int


@dataclass(frozen=True)
class Space:
    """What may vary: see nas/spaces for examples.

    Attributes:
        resolutions: heights and widths of the input.
        widths: factors of all channels of a network; block_widths: further factors, drawn for every block.
        divisor: channels are multiples of it.
        head: channels of a pointwise convolution before the mean (before the width is applied), 0 for none.
        classes: outputs, where the data does not say.
    """

    name: str
    description: str
    resolutions: tuple[tuple[int, int], ...]
    input_channels: int
    widths: tuple[float, ...]
    block_widths: tuple[float, ...]
    divisor: int
    stem: Stem
    stages: tuple[Stage, ...]
    head: int
    classes: int

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """All blocks that the deepest network has."""
        return tuple(
            Place(number, stage, index) for number, stage in enumerate(self.stages) for index in range(max(stage.depths))
        )

    @cached_property
    def options(self) -> tuple[tuple[Any, ...], ...]:
        """The options of every gene."""
        blocks = [(place.stage.kernels, place.stage.expansions, self.block_widths) for place in self.places]
        depths = [stage.depths for stage in self.stages]
        return (self.resolutions, self.widths, *depths, *(options for block in blocks for options in block))

    @cached_property
    def sizes(self) -> Int:
        """The number of options of every gene."""
        return np.array([len(options) for options in self.options])

    def sample(self, rng: np.random.Generator, count: int) -> Int:
        """Genes [count, gene] of random networks, every option equally likely."""
        return rng.integers(0, self.sizes, (count, len(self.sizes)))

    def largest(self) -> Int:
        """Genes of the network with the most of everything."""
        return np.array([options.index(max(options)) for options in self.options])

    def smallest(self) -> Int:
        """Genes of the network with the least of everything."""
        return np.array([options.index(min(options)) for options in self.options])

    def subspace(self, resolution: tuple[int, int], width: float) -> Space:
        """The networks of one resolution and width."""
        return replace(self, resolutions=(resolution,), widths=(width,))

    def subspaces(self) -> list[Space]:
        """One per resolution and width: what the first stage of the search chooses from."""
        return [self.subspace(resolution, width) for resolution in self.resolutions for width in self.widths]

    def canonical(self, genes: ArrayLike) -> Int:
        """The same networks with the genes of blocks that they do not have at zero: equal networks become equal rows."""
        genes = np.atleast_2d(genes).copy()
        real = self.networks(genes).real
        genes[:, -3 * len(self.places) :] *= np.repeat(real, 3, axis=1)
        return genes

    def networks(self, genes: ArrayLike) -> Networks:
        """What genes [network, gene] stand for."""
        genes = np.atleast_2d(genes)
        if genes.shape[1] != len(self.sizes) or (genes < 0).any() or (genes >= self.sizes).any():
            raise SpaceError(f"space '{self.name}': genes that are not of this space")
        resolutions = np.array(self.resolutions)[genes[:, 0]]
        factor = np.array(self.widths)[genes[:, 1]]
        depth = [np.array(stage.depths)[genes[:, 2 + number]] for number, stage in enumerate(self.stages)]
        stem = channels = self._rounded(self.stem.channels * factor)
        columns: list[tuple[NDArray[Any], ...]] = []
        for place, (kernel, expansion, block_width) in zip(self.places, self._by_block(genes), strict=True):
            real = place.index < depth[place.number]
            inputs, own = channels, factor * np.array(self.block_widths)[block_width]
            channels = np.where(real, self._rounded(place.stage.channels * own), inputs)
            middle = inputs * np.array(place.stage.expansions)[expansion]
            adds = real & (place.index > 0) & (channels == inputs)
            columns.append((real, np.array(place.stage.kernels)[kernel], inputs, middle, channels, adds))
        real, kernel, inputs, middle, channels, adds = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
        head = self._rounded(self.head * factor) if self.head else np.zeros_like(stem)
        height, width = resolutions.T
        return Networks(height, width, stem, real, kernel, inputs, middle, channels, adds, head)

    def architectures(self, genes: ArrayLike, classes: int | None = None) -> list[Architecture]:
        """The networks as patch_scheduler takes them."""
        genes = np.atleast_2d(genes)
        found = self.networks(genes)
        rows = zip(
            found.height.tolist(), found.width.tolist(), found.stem.tolist(), found.head.tolist(),
            found.real.tolist(), found.kernel.tolist(), (found.middle // found.inputs).tolist(),
            found.channels.tolist(), found.adds.tolist(), strict=True,
        )  # fmt: skip
        strides = [place.stride for place in self.places]
        kernel, stride, outputs = self.stem.kernel, self.stem.stride, classes or self.classes
        return [
            Architecture(
                height, width, self.input_channels, Convolution(stem, kernel, stride),
                tuple(Bottleneck(*block) for real, *block in zip(*blocks[:4], strides, blocks[4], strict=True) if real),
                head, outputs,
            )
            for height, width, stem, head, *blocks in rows
        ]  # fmt: skip

    def _by_block(self, genes: Int) -> Int:
        """[place, kernel / expansion / width, network]"""
        return genes[:, -3 * len(self.places) :].reshape(len(genes), -1, 3).transpose(1, 2, 0)

    def _rounded(self, channels: Any) -> Int:
        """Multiples of the divisor, never less than nine tenths of what was asked for."""
        channels = np.asarray(channels)
        rounded = np.maximum(self.divisor, (channels + self.divisor / 2).astype(np.int64) // self.divisor * self.divisor)
        return np.asarray(rounded + self.divisor * (rounded < 0.9 * channels))


# ---- files ----


def names() -> list[str]:
    """The spaces that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name: str) -> Space:
    """The space called `name`, or of the .toml file of that path; raises SpaceError, with a reason, where there is none."""
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if name.endswith(".toml"):
            raise SpaceError(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from None
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(names())}, or a .toml file"
        raise SpaceError(f"unknown space '{name}': {hint}") from None
    try:
        return _space(path.stem, _Table(path.name, "", tomllib.loads(text)))
    except tomllib.TOMLDecodeError as error:
        raise SpaceError(f"{path.name}: {error}") from None


class _Table:
    """A table of the file, whose keys are taken one by one; complains about wrong values and about keys that are left over."""

    def __init__(self, file: str, where: str, values: Any) -> None:
        self.file, self.where, self.values = file, where, values
        if not isinstance(values, Mapping):
            raise SpaceError(f"{file}: {where.rstrip('.')} must be a table")
        self.left = dict(values)

    def fail(self, key: str, must: str) -> SpaceError:
        return SpaceError(f"{self.file}: {self.where}{key} must be {must}, not {self.values.get(key, 'left out')!r}")

    def take(self, key: str, must: str, right: Callable[[Any], bool], default: Any = None) -> Any:
        value = self.left.pop(key, default)
        if value is None or not right(value):
            raise self.fail(key, must)
        return value

    def number(self, key: str, most: int, default: int | None = None, least: int = 1) -> int:
        return int(self.take(key, f"a whole number from {least} to {most}", lambda v: _whole(v, least, most), default))

    def numbers(self, key: str, most: int) -> tuple[int, ...]:
        return tuple(
            self.take(key, f"a list of different numbers from 1 to {most}", lambda v: _distinct(v, lambda x: _whole(x, 1, most)))
        )

    def factors(self, key: str, default: list[float] | None = None) -> tuple[float, ...]:
        def factor(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 4

        values = self.take(key, "a list of different factors above 0, at most 4", lambda v: _distinct(v, factor), default)
        return tuple(map(float, values))

    def done(self) -> None:
        if self.left:
            raise SpaceError(f"{self.file}: {self.where}{next(iter(self.left))} is not known")


def _whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _distinct(values: Any, right: Callable[[Any], bool]) -> bool:
    if not isinstance(values, list) or not values or not all(map(right, values)):
        return False
    return all(value not in values[:index] for index, value in enumerate(values))


def _size(value: Any) -> bool:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    return all(_whole(side, 1, _LARGEST_MAP) for side in sides)


def _space(name: str, table: _Table) -> Space:
    must = f"a list of different sizes or [height, width], from 1 to {_LARGEST_MAP}"
    resolutions = table.take("resolutions", must, lambda v: _distinct(v, _size))
    stages = table.take("stages", "a list of tables", lambda v: isinstance(v, list) and bool(v))
    stem = _Table(table.file, "stem.", table.take("stem", "a table", lambda v: isinstance(v, Mapping)))
    head = _Table(table.file, "head.", table.left.pop("head", {"channels": 0}))
    space = Space(
        name=name,
        description=table.take("description", "a text", lambda v: isinstance(v, str)),
        resolutions=tuple((each, each) if isinstance(each, int) else (each[0], each[1]) for each in resolutions),
        input_channels=table.number("input_channels", 64, 3),
        widths=table.factors("widths"),
        block_widths=table.factors("block_widths", [1.0]),
        divisor=table.number("divisor", 64, 8),
        stem=Stem(stem.number("channels", _LARGEST_LAYER), _odd(stem, "kernel", 3), stem.number("stride", 2, 2)),
        stages=tuple(_stage(_Table(table.file, f"stages[{index}].", stage)) for index, stage in enumerate(stages)),
        head=head.number("channels", _LARGEST_LAYER, least=0),
        classes=table.number("classes", 1 << 16),
    )
    for each in (table, stem, head):
        each.done()
    return space


def _stage(table: _Table) -> Stage:
    stage = Stage(
        table.number("channels", _LARGEST_LAYER),
        table.number("stride", 2, 1),
        table.numbers("depths", 16),
        table.numbers("kernels", 15),
        table.numbers("expansions", 12),
    )
    if any(kernel % 2 == 0 for kernel in stage.kernels):
        raise table.fail("kernels", "a list of odd numbers")
    if 1 in stage.expansions and stage.expansions != (1,):
        raise table.fail("expansions", "[1] alone (no pointwise convolution before the depthwise one), or numbers from 2")
    table.done()
    return stage


def _odd(table: _Table, key: str, default: int) -> int:
    return int(table.take(key, "an odd number from 1 to 15", lambda v: _whole(v, 1, 15) and v % 2 == 1, default))
