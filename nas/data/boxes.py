"""Pictures with boxes around objects: annotations of COCO (one JSON file) and of Pascal VOC (one XML file per picture).

Labels are float32 [pictures, boxes, 6]: class, left, top, right, bottom as shares of the picture, and 1 for objects that neither
train nor count (crowds in COCO, difficult ones in VOC); unused rows have class -1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from nas.data.dataset import DataError, Dataset, Split, completed
from nas.data.pictures import picture_reader
from tflm_mcunet.graph import Array

Box = tuple[str, float, float, float, float, float]
"""Class, left, top, right, bottom, and whether it is left out."""

VOC_LISTS = {"train": "train", "validation": "val", "test": "test"}


def load_coco(
    annotations: Path,
    folder: Path,
    size: tuple[int, int],
    channels: int,
    classes: Sequence[str] | None,
    shares: dict[str, float],
    seed: int,
) -> Dataset:
    """The data set of a COCO annotation file and the folder of its pictures; raises DataError."""
    found = _coco(annotations, folder)
    names = tuple(classes or dict.fromkeys(box[0] for _, boxes in found for box in boxes))
    paths, labels = _labelled(found, names, annotations)
    everything = Split(paths, labels, picture_reader(*size, channels))
    return Dataset(**completed({"train": everything}, shares, seed), classes=names, shape=(*size, channels))


def load_voc(
    folder: Path, size: tuple[int, int], channels: int, classes: Sequence[str] | None, shares: dict[str, float], seed: int
) -> Dataset:
    """The data set of a folder with Annotations, JPEGImages and, where they are, lists in ImageSets/Main; raises DataError."""
    files = sorted((folder / "Annotations").glob("*.xml"))
    if not files:
        raise DataError(f"{folder}: no Annotations/*.xml, as Pascal VOC has them")
    found = [_voc(file, folder / "JPEGImages") for file in files]
    names = tuple(classes or sorted({box[0] for _, boxes in found for box in boxes}))
    paths, labels = _labelled(found, names, folder)
    lists = {name: folder / "ImageSets" / "Main" / f"{file}.txt" for name, file in VOC_LISTS.items()}
    listed = {name: set(file.read_text().split()) for name, file in lists.items() if file.exists()}
    other = "" if "train" in listed else "train"
    part = np.array([next((name for name, stems in listed.items() if file.stem in stems), other) for file in files])
    everything = Split(paths, labels, picture_reader(*size, channels))
    known = {name: everything.subset(np.flatnonzero(part == name)) for name in {"train", *listed}}
    return Dataset(**completed(known, shares, seed), classes=names, shape=(*size, channels))


def _coco(annotations: Path, folder: Path) -> list[tuple[Path, list[Box]]]:
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        names = {category["id"]: category["name"] for category in content["categories"]}
        boxes: dict[int, list[Any]] = {image["id"]: [] for image in content["images"]}
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for entry in content["annotations"]:
            (x, y, w, h), (width, height) = entry["bbox"], sizes[entry["image_id"]]
            box = (x / width, y / height, (x + w) / width, (y + h) / height, float(entry.get("iscrowd", 0)))
            boxes[entry["image_id"]].append((names[entry["category_id"]], *box))
        return [(folder / image["file_name"], boxes[image["id"]]) for image in content["images"]]
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__} {error}"
        raise DataError(f"cannot read {annotations} as COCO annotations: {reason}") from error


def _voc(file: Path, folder: Path) -> tuple[Path, list[Box]]:
    try:
        root = ElementTree.parse(file).getroot()
        width, height = (float(_text(root, f"size/{side}")) for side in ("width", "height"))
        boxes = [_voc_box(entry, width, height) for entry in root.iter("object")]
        return folder / _text(root, "filename"), boxes
    except (OSError, ElementTree.ParseError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"cannot read {file} as VOC annotations: {error}") from error


def _voc_box(entry: Any, width: float, height: float) -> Box:
    left, top, right, bottom = (float(_text(entry, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    difficult = float(entry.findtext("difficult") or 0)
    # VOC counts pixels from 1, and both ends belong to the box
    return _text(entry, "name"), (left - 1) / width, (top - 1) / height, right / width, bottom / height, difficult


def _text(element: Any, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"no <{path}>")
    return str(text).strip()


def _labelled(found: list[tuple[Path, list[Box]]], names: Sequence[str], source: Path) -> tuple[Array, Array]:
    """Paths, and labels as above; boxes of other classes are dropped."""
    numbers = {name: number for number, name in enumerate(names)}
    kept = [[box for box in boxes if box[0] in numbers] for _, boxes in found]
    for name in names:
        if not any(box[0] == name for boxes in kept for box in boxes):
            known = ", ".join(sorted({box[0] for _, boxes in found for box in boxes}))
            raise DataError(f"{source}: no object of class '{name}'; it has {known or 'none'}")
    labels = np.zeros((len(found), max(map(len, kept), default=0), 6), np.float32)
    labels[:, :, 0] = -1
    for row, boxes in zip(labels, kept, strict=True):
        for place, (name, *rest) in zip(row, boxes, strict=False):
            place[:] = (numbers[name], *rest)
    paths = [path for path, _ in found]
    for path in paths:
        if not path.is_file():
            raise DataError(f"{source} names a picture that is missing: {path}")
    return np.array([str(path) for path in paths]), labels
