"""YOLO-style heads: what their outputs mean, in floats and, bit for bit as ops/portable/mcu_detection.h, in integers.

An output [rows, columns, 5 + classes] has, per cell, logits of x, y, width, height, objectness and the classes (Redmon and
Farhadi, arXiv 1804.02767). With the logistic function s, a box has its centre at (cell + 2 s(x) - 1/2) strides and sides of
(2 s(w))^2 anchors, so that neighbouring cells reach each other's objects; its score is s(objectness) * s(best class).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.tasks.c_files import header, kernel_headers, record, tables
from nas.tasks.precision import overlaps
from tflm_mcunet.errors import Error
from tflm_mcunet.graph import Array, Tensor

ANCHOR_STRIDES = 4  # side of a head's typical box, in strides
BOX_FIELDS = 5
ONE = 1 << 15


@dataclass(frozen=True)
class Head:
    """One output: its cells, how far apart they are, and the side of its typical box, both in pixels."""

    rows: int
    columns: int
    stride: int

    @property
    def anchor(self) -> int:
        return ANCHOR_STRIDES * self.stride


def heads_of(image: Sequence[int], outputs: Sequence[Sequence[int]], classes: int) -> list[Head]:
    """The heads of a network, from its input shape [H, W, C] and its outputs' shapes [rows, columns, 5 + classes].

    Raises:
        Error: the shapes are not those of heads.
    """
    heads = []
    for shape in outputs:
        if len(shape) != 3 or shape[2] != BOX_FIELDS + classes:
            raise Error(f"output {tuple(shape)} is no head for {classes} classes: [rows, columns, {BOX_FIELDS + classes}]")
        strides = {image[0] / shape[0], image[1] / shape[1]}
        if len(strides) != 1 or not (stride := strides.pop()).is_integer():
            raise Error(f"output {tuple(shape)} does not divide a picture of {image[0]}x{image[1]} into square cells")
        heads.append(Head(shape[0], shape[1], int(stride)))
    return heads


def decode(heads: Sequence[Head], outputs: Sequence[Array], score: float, overlap: float) -> Array:
    """Detections [n, 6] of one picture, best first: class, score, left, top, right, bottom as shares of the picture.

    `outputs` are floats [rows, columns, 5 + classes], one per head; see Detector for `score` and `overlap`.
    """
    found = np.concatenate([_decoded(head, output) for head, output in zip(heads, outputs, strict=True)])
    found = found[found[:, 1] >= score]
    found = found[np.argsort(-found[:, 1], kind="stable")]
    kept: list[int] = []
    shared = overlaps(found[:, 2:], found[:, 2:]) * (found[:, :1] == found[:, 0])
    for row in range(len(found)):
        if not kept or shared[row, kept].max() <= overlap:
            kept.append(row)
    return found[kept]


def _decoded(head: Head, output: Array) -> Array:
    logistic = 1 / (1 + np.exp(-output.astype(np.float64)))
    rows, columns = np.mgrid[: head.rows, : head.columns]
    cells = np.stack([columns, rows], axis=-1)
    centre = (cells + 2 * logistic[..., :2] - 0.5) / (head.columns, head.rows)
    side = (2 * logistic[..., 2:4]) ** 2 * ANCHOR_STRIDES / (head.columns, head.rows)
    corners = np.clip(np.concatenate([centre - side / 2, centre + side / 2], axis=-1), 0, 1)
    best = output[..., BOX_FIELDS:].argmax(axis=-1)
    score = logistic[..., 4] * logistic[..., BOX_FIELDS:].max(axis=-1)
    return np.concatenate([best[..., None], score[..., None], corners], axis=-1).reshape(-1, 6)


@dataclass(frozen=True)
class Detector:
    """The heads of an int8 network with what turns its outputs into boxes.

    Attributes:
        outputs: the network's output tensors, one per head.
        classes: how many.
        height, width: of its input.
        score: boxes below it are dropped.
        overlap: boxes that share more than this of their union with a better one of their class are dropped.
    """

    heads: Sequence[Head]
    outputs: Sequence[Tensor]
    classes: int
    height: int
    width: int
    score: float = 0.3
    overlap: float = 0.45

    def logistic(self, index: int) -> Array:
        """The function of all 256 values of an output, with 15 fractional bits."""
        tensor = self.outputs[index]
        values = (np.arange(-128, 128) - tensor.zero_point) * float(tensor.scale)
        return np.rint(ONE / (1 + np.exp(-values))).astype(np.int64)

    def boxes(self, outputs: Sequence[Array], capacity: int) -> Array:
        """What mcu_detection_decode and mcu_detection_suppress make of int8 outputs: int64 [n, 6] in their units.

        The columns are left, top, right, bottom, score and class.
        """
        found = np.concatenate([self._cells(index, output) for index, output in enumerate(outputs)])
        found = found[np.argsort(-found[:, 4], kind="stable")][:capacity]
        kept: list[Array] = []
        for box in found:
            if not any(other[5] == box[5] and self._same(other, box) for other in kept):
                kept.append(box)
        return np.array(kept, np.int64).reshape(-1, 6)

    def _cells(self, index: int, output: Array) -> Array:
        head, limit = self.heads[index], round(self.score * ONE)
        f = self.logistic(index)[output.reshape(head.rows, head.columns, -1).astype(np.int64) + 128]
        row, column = np.mgrid[: head.rows, : head.columns]
        x, y = (((cell * ONE + 2 * f[..., i] - ONE // 2) * head.stride) >> 11 for i, cell in enumerate((column, row)))
        width, height = (((f[..., i] ** 2 >> 15) * head.anchor >> 9) // 2 for i in (2, 3))
        edges = [(x - width, self.width), (y - height, self.height), (x + width, self.width), (y + height, self.height)]
        best = output[..., BOX_FIELDS:].argmax(axis=-1)
        score = f[..., 4] * f[..., BOX_FIELDS:].max(axis=-1) >> 15
        found = np.stack([*(np.clip(edge, 0, 16 * pixels) for edge, pixels in edges), score, best], axis=-1)
        return found[score >= limit]

    def _same(self, a: Array, b: Array) -> bool:
        sides = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
        shared = int(sides.prod()) if (sides > 0).all() else 0
        joined = int((a[2:4] - a[:2]).prod() + (b[2:4] - b[:2]).prod()) - shared
        return shared * ONE > joined * round(self.overlap * ONE)

    def files(self, prefix: str) -> dict[str, str]:
        """PREFIX_detection.h and .c, whose record the functions of mcu_detection.h take."""
        name, upper = f"{prefix}_detection", prefix.upper()
        logistic = {f"{name}_logistic{index}": (self.logistic(index), np.uint16) for index in range(len(self.heads))}
        rows = [
            f"    {{{table}, {head.rows}, {head.columns}, {head.stride}, {head.anchor}}}"
            for table, head in zip(logistic, self.heads, strict=True)
        ]
        heads = f"static const struct mcu_detection_head {name}_heads[{len(rows)}] = {{\n" + ",\n".join(rows) + "};\n"
        fields = {
            "heads": f"{name}_heads",
            "count": len(self.heads),
            "classes": self.classes,
            "height": self.height,
            "width": self.width,
            "score": round(self.score * ONE),
            "overlap": round(self.overlap * ONE),
        }
        pointers = ", ".join(f"{prefix}_output({index})" for index in range(len(self.heads)))
        lines = [
            f"#define {upper}_HEADS {len(self.heads)}",
            "",
            "/* Boxes of the picture in the network's input, best first, once it was invoked:",
            f"       const int8_t *outputs[{upper}_HEADS] = {{{pointers}}};",
            f"       int32_t count = mcu_detection_decode(&{name}, outputs, boxes, capacity);",
            f"       count = mcu_detection_suppress(&{name}, boxes, count);",
            "   with struct mcu_box boxes[capacity]. */",
            f"extern const struct mcu_detection {name};",
        ]
        return {
            **kernel_headers("mcu_detection.h"),
            f"{name}.h": header(f"{name}.h", ["mcu_detection.h"], lines),
            f"{name}.c": f'#include "{name}.h"\n\n{tables(logistic)}\n\n{heads}\n{record("mcu_detection", name, fields)}',
        }
