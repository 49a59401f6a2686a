"""Spaces are what their files say, networks what their genes say, and bad files get one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas import space
from nas.space import SpaceError
from patch_scheduler.batch import estimate

TINY = """
description = "tiny"
resolutions = [8, [12, 10]]
widths = [0.5, 1.0]
classes = 3

[stem]
channels = 8

[[stages]]
channels = 16
depths = [1, 2]
kernels = [3, 5]
expansions = [2, 3]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def error_of(path: Path, old: str, new: str) -> str:
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(SpaceError) as caught:
        space.load(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", space.names())
def test_networks_agree_with_their_architectures(name: str) -> None:
    chosen = space.load(name)
    genes = chosen.sample(np.random.default_rng(1), 200)
    found = chosen.networks(genes)
    for row, candidate in enumerate(chosen.architectures(genes)):
        real = found.real[row]
        channels = candidate.stem.channels
        assert len(candidate.blocks) == real.sum()
        for block, place in zip(candidate.blocks, np.flatnonzero(real), strict=True):
            assert found.inputs[row, place] == channels
            assert found.middle[row, place] == channels * block.expansion
            assert block.kernel == found.kernel[row, place]
            assert block.adds(channels) == found.adds[row, place]
            assert block.channels % chosen.divisor == 0
            channels = block.channels
    assert (estimate(chosen.architectures(genes)).macs > 0).all()


def test_mcunet_is_that_of_the_paper() -> None:
    mcunet = space.load("mcunet")
    assert len(mcunet.subspaces()) == 108
    (largest,) = mcunet.architectures(mcunet.largest())
    assert (largest.height, len(largest.blocks), largest.blocks[-1].channels) == (224, 22, 320)
    assert {block.kernel for block in largest.blocks[1:]} == {7}
    v2 = space.load("mcunetv2")
    assert v2.resolutions[0] == (96, 96)
    assert v2.resolutions[-1] == (256, 256)
    widths = {block.channels for net in v2.architectures(v2.sample(np.random.default_rng(0), 300)) for block in net.blocks[-1:]}
    assert widths == {160, 240, 320}


def test_every_option_is_drawn_and_seeds_repeat() -> None:
    mcunet = space.load("mcunet")
    genes = mcunet.sample(np.random.default_rng(3), 2000)
    assert [len(set(column)) for column in genes.T.tolist()] == mcunet.sizes.tolist()
    assert (genes == mcunet.sample(np.random.default_rng(3), 2000)).all()


def test_genes_of_absent_blocks_do_not_count() -> None:
    mcunet = space.load("mcunetv2")
    genes = mcunet.sample(np.random.default_rng(0), 50)
    canonical = mcunet.canonical(genes)
    assert mcunet.architectures(genes) == mcunet.architectures(canonical)
    assert (mcunet.canonical(canonical) == canonical).all()
    changed = canonical.copy()
    changed[:, -3 * len(mcunet.places) :][~np.repeat(mcunet.networks(genes).real, 3, axis=1)] = 1
    assert (changed != canonical).any()
    assert (mcunet.canonical(changed) == canonical).all()


def test_own_file(file: Path) -> None:
    tiny = space.load(str(file))
    assert tiny.resolutions == ((8, 8), (12, 10))
    found = set(tiny.architectures(tiny.sample(np.random.default_rng(0), 2000)))
    assert len(found) == 2 * 2 * (2 * 2 + 4 * 4)


def test_genes_of_another_space_are_refused(file: Path) -> None:
    with pytest.raises(SpaceError, match="not of this space"):
        space.load(str(file)).networks(space.load("mcunet").largest())


def test_bad_files(file: Path) -> None:
    assert "stages[0].kernels must be a list of odd numbers" in error_of(file, "[3, 5]", "[3, 4]")
    assert "expansions must be [1] alone" in error_of(file, "[2, 3]", "[1, 3]")
    assert "resolutions must be a list of different sizes" in error_of(file, "[8, [12, 10]]", "[8, 8]")
    assert "widths must be a list of different factors" in error_of(file, "[0.5, 1.0]", "[]")
    assert "stem.channels must be a whole number from 1 to 4096, not 'left out'" in error_of(file, "channels = 8", "")
    assert "colour is not known" in error_of(file, "classes", "colour = 1\nclasses")
    assert "stages[0].depth is not known" in error_of(file, "depths = [1, 2]", "depths = [1, 2]\ndepth = 3")
    assert "stages must be a list of tables" in error_of(file, TINY[TINY.index("[[stages") :], "")
    assert "tiny.toml" in error_of(file, "[stem]", "[stem")


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="did you mean 'mcunet'"):
        space.load("mcunett")
    with pytest.raises(SpaceError, match=r"cannot read .*absent\.toml: No such file"):
        space.load(str(tmp_path / "absent.toml"))
