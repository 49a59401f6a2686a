"""Data for training: NumPy archives, folders of pictures or sounds, tensorflow_datasets, COCO and VOC annotations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.data.dataset import DataError, Dataset, Split

__all__ = ["DataError", "Dataset", "Split", "load"]


def __getattr__(name: str) -> Any:
    """What needs TensorFlow, which the front ends for firmware do without."""
    if name in __all__:
        from nas.data import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def load(
    spec: str,
    *,
    size: tuple[int, int] | None = None,
    channels: int = 3,
    classes: Sequence[str] | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """The data set that `spec` names.

    Args:
        spec: FILE.npz or FILE.npz:ARRAY; a folder of pictures or of WAV files, one folder per class; tfds:NAME; voc:FOLDER;
            coco:ANNOTATIONS.json:FOLDER.
        size: height and width that pictures are scaled to; by default that of the first one.
        channels: 3, or 1 for grey pictures.
        classes: those to tell apart, all by default; of sounds, words that are left out make up the class `_unknown_`.
        validation, test: shares of the samples for splits that the data does not come with.
        seed: of the division.

    Raises:
        DataError: data is missing or damaged, or the classes do not match.
    """
    kind, _, rest = spec.partition(":")
    shares = {"validation": validation, "test": test}
    if kind == "tfds":
        from nas.data.catalogue import load_named

        return load_named(rest, size, channels, shares, seed)
    if kind == "voc":
        from nas.data.boxes import load_voc

        return load_voc(Path(rest), _needed(size), channels, classes, shares, seed)
    if kind == "coco":
        from nas.data.boxes import load_coco

        annotations, _, folder = rest.partition(":")
        return load_coco(Path(annotations), Path(folder), _needed(size), channels, classes, shares, seed)
    if Path(kind).suffix == ".npz":
        from nas.data.npz import load_npz

        _as_it_is(spec, classes=classes)
        found = load_npz(Path(kind), rest or "x", shares, seed)
        return found if size is None else found.resized(*size)
    return _folder(Path(spec), size, channels, classes, shares, seed)


def _folder(
    folder: Path, size: tuple[int, int] | None, channels: int, classes: Sequence[str] | None, shares: dict[str, float], seed: int
) -> Dataset:
    from nas.data.dataset import DataError

    if not folder.is_dir():
        raise DataError(f"--data {folder}: no such file or folder")
    if any(folder.glob("*/*.wav")):
        from nas.data.mfcc import Mfcc
        from nas.data.sounds import load_sounds

        return load_sounds(folder, classes, shares, seed, Mfcc())
    from nas.data.pictures import load_pictures

    return load_pictures(folder, size, channels, classes, shares, seed)


def _needed(size: tuple[int, int] | None) -> tuple[int, int]:
    from nas.data.dataset import DataError

    if size is None:
        raise DataError("pictures with boxes differ in size: say --size HxW")
    return size


def _as_it_is(spec: str, **options: object) -> None:
    from nas.data.dataset import DataError

    for name, value in options.items():
        if value is not None:
            raise DataError(f"--data {spec}: an archive comes as it is; leave out --{name}")
