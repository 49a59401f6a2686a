"""Mean average precision of detectors, as Pascal VOC 2007 and COCO define it.

Detections of a picture are [n, 6]: class, score, left, top, right, bottom. True boxes are [m, 6]: class, left, top, right,
bottom, and 1 for objects that neither count nor hurt (VOC's difficult ones, COCO's crowds); rows of class -1 are none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tflm_mcunet.graph import Array

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
COCO_DETECTIONS = 100  # the best per picture and class

_HIT, _MISS, _IGNORED = 1, 0, -1


def voc_2007(detections: Sequence[Array], truth: Sequence[Array], classes: int, overlap: float = 0.5) -> float:
    """Mean over the classes of the 11-point average precision (Everingham et al., IJCV 88, 2010, section 4.2).

    Every detection belongs to the true box that it overlaps most; a second one of the same box is a miss.
    """
    precisions = []
    for number in range(classes):
        boxes = [_of_class(t, number) for t in truth]
        positives = sum(int((b[:, 5] == 0).sum()) for b in boxes)
        if positives == 0:
            continue
        scores, outcomes = _gathered(
            [_voc_outcomes(_of_class(d, number), b, overlap) for d, b in zip(detections, boxes, strict=True)]
        )
        recall, precision = _curve(scores, outcomes, positives)
        precisions.append(np.mean([precision[recall >= point].max(initial=0.0) for point in np.arange(11) / 10]))
    return float(np.mean(precisions)) if precisions else 0.0


def coco(
    detections: Sequence[Array], truth: Sequence[Array], classes: int, overlaps: Sequence[float] | Array = COCO_THRESHOLDS
) -> float:
    """Mean over overlaps of 0.5 to 0.95, and over the classes, of the 101-point average precision (Lin et al., arXiv 1405.0312).

    A detection belongs to the box that it overlaps most among those that no better detection has taken.
    """
    precisions = []
    for number in range(classes):
        boxes = [_of_class(t, number) for t in truth]
        positives = sum(int((b[:, 5] == 0).sum()) for b in boxes)
        if positives == 0:
            continue
        found = [_of_class(d, number) for d in detections]
        found = [d[np.argsort(-d[:, 1], kind="stable")[:COCO_DETECTIONS]] for d in found]
        for overlap in overlaps:
            scores, outcomes = _gathered([_coco_outcomes(d, b, overlap) for d, b in zip(found, boxes, strict=True)])
            recall, precision = _curve(scores, outcomes, positives)
            envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
            precisions.append(np.mean(envelope[np.searchsorted(recall, np.linspace(0, 1, 101), side="left")]))
    return float(np.mean(precisions)) if precisions else 0.0


def overlaps(a: Array, b: Array) -> Array:
    """Intersections over unions, [n, m], of boxes [n, 4] and [m, 4]: left, top, right, bottom."""
    inside = _intersections(a, b)
    return inside / np.maximum(_areas(a)[:, None] + _areas(b) - inside, 1e-12)


def _intersections(a: Array, b: Array) -> Array:
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)


def _areas(boxes: Array) -> Array:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _of_class(rows: Array, number: int) -> Array:
    return rows[rows[:, 0] == number]


def _voc_outcomes(found: Array, boxes: Array, overlap: float) -> tuple[Array, Array]:
    """Scores and outcomes of the detections of one picture, best first."""
    found = found[np.argsort(-found[:, 1], kind="stable")]
    shared = overlaps(found[:, 2:], boxes[:, 1:5])
    outcomes = np.full(len(found), _MISS)
    taken = np.zeros(len(boxes), bool)
    for row in range(len(found) if len(boxes) else 0):
        best = int(shared[row].argmax())
        if shared[row, best] >= overlap:
            outcomes[row] = _IGNORED if boxes[best, 5] else _MISS if taken[best] else _HIT
            taken[best] = True
    return found[:, 1], outcomes


def _coco_outcomes(found: Array, boxes: Array, overlap: float) -> tuple[Array, Array]:
    """As above; crowds are as good a match as they cover the detection, and are never used up."""
    boxes = boxes[np.argsort(boxes[:, 5], kind="stable")]
    crowd = boxes[:, 5] > 0
    covered = _intersections(found[:, 2:], boxes[:, 1:5]) / np.maximum(_areas(found[:, 2:]), 1e-12)[:, None]
    shared = np.where(crowd, covered, overlaps(found[:, 2:], boxes[:, 1:5]))
    outcomes = np.full(len(found), _MISS)
    taken = np.zeros(len(boxes), bool)
    for row in range(len(found)):
        for kind, outcome in ((~crowd & ~taken, _HIT), (crowd, _IGNORED)):
            candidates = np.where(kind, shared[row], -1.0)
            if candidates.max(initial=-1.0) >= min(overlap, 1 - 1e-10):
                taken[candidates.argmax()] = True
                outcomes[row] = outcome
                break
    return found[:, 1], outcomes


def _gathered(pictures: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    return np.concatenate([scores for scores, _ in pictures]), np.concatenate([outcomes for _, outcomes in pictures])


def _curve(scores: Array, outcomes: Array, positives: int) -> tuple[Array, Array]:
    """Recall and precision after each detection that counts, best first."""
    order = np.argsort(-scores, kind="stable")
    outcomes = outcomes[order]
    hits = outcomes[outcomes != _IGNORED] == _HIT
    right = np.cumsum(hits)
    return right / positives, right / np.maximum(np.arange(1, len(hits) + 1), 1)
