"""Mean average precision against cases worked out by hand from the definitions of VOC 2007 and COCO."""

from __future__ import annotations

import numpy as np
import pytest

from nas.tasks.precision import coco, overlaps, voc_2007
from tflm_mcunet.graph import Array

TRUTH = np.array([[0, 0.0, 0.0, 0.4, 0.4, 0], [0, 0.5, 0.5, 0.9, 0.9, 0]])
EXACT = [[0, 0.9, 0.0, 0.0, 0.4, 0.4], [0, 0.8, 0.5, 0.5, 0.9, 0.9]]
ELSEWHERE = [0, 0.85, 0.0, 0.6, 0.3, 0.9]


def rows(*boxes: list[float]) -> Array:
    return np.array(boxes).reshape(-1, 6)


def test_overlaps() -> None:
    a = np.array([[0, 0, 2, 2.0]])
    b = np.array([[1, 1, 3, 3], [0, 0, 2, 2], [2, 0, 4, 2.0], [0, 0, 1, 2]])
    assert np.allclose(overlaps(a, b), [[1 / 7, 1, 0, 1 / 2]])


def test_everything_found() -> None:
    assert voc_2007([rows(*EXACT)], [TRUTH], 1) == 1.0
    assert coco([rows(*EXACT)], [TRUTH], 1) == 1.0


def test_nothing_found() -> None:
    assert voc_2007([rows()], [TRUTH], 1) == 0.0
    assert coco([rows()], [TRUTH], 1) == 0.0


def test_one_of_two_found() -> None:
    """Precision 1 up to recall 1/2: 6 of 11 points, and 51 of 101."""
    assert voc_2007([rows(EXACT[0])], [TRUTH], 1) == pytest.approx(6 / 11)
    assert coco([rows(EXACT[0])], [TRUTH], 1) == pytest.approx(51 / 101)


def test_a_miss_between_two_hits() -> None:
    """Hit, miss, hit: precision 1 up to recall 1/2, then 2/3."""
    found = rows(EXACT[0], ELSEWHERE, EXACT[1])
    assert voc_2007([found], [TRUTH], 1) == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert coco([found], [TRUTH], 1) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_order_is_by_score_over_all_pictures() -> None:
    """Picture 0 has a miss of score 0.95, ahead of the hits in picture 1: precisions 0, 1/2, 2/3."""
    miss = rows([0, 0.95, 0.0, 0.0, 0.1, 0.1])
    assert voc_2007([miss, rows(*EXACT)], [rows(), TRUTH], 1) == pytest.approx(2 / 3)
    assert coco([miss, rows(*EXACT)], [rows(), TRUTH], 1) == pytest.approx(2 / 3)


def test_a_second_detection_of_a_box_is_a_miss() -> None:
    twice = rows(EXACT[0], [0, 0.85, 0.0, 0.0, 0.4, 0.39])
    assert voc_2007([twice], [TRUTH[:1]], 1) == 1.0  # recall was complete before it
    late = rows(EXACT[0], [0, 0.85, 0.0, 0.0, 0.4, 0.39], EXACT[1])
    assert voc_2007([late], [TRUTH], 1) == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_only_coco_gives_a_detection_its_second_best_box() -> None:
    """Two boxes that overlap; both detections are nearest to the first: VOC counts one hit, COCO two."""
    truth = np.array([[0, 0.0, 0.0, 0.4, 0.4, 0], [0, 0.0, 0.1, 0.4, 0.5, 0]])
    found = rows([0, 0.9, 0.0, 0.0, 0.4, 0.4], [0, 0.8, 0.0, 0.02, 0.4, 0.42])
    assert voc_2007([found], [truth], 1) == pytest.approx(6 / 11)
    assert coco([found], [truth], 1, [0.5]) == 1.0


def test_coco_averages_over_overlaps() -> None:
    """An overlap of 0.72 passes 0.5 to 0.7: five of ten."""
    found = rows([0, 0.9, 0.0, 0.0, 0.4, 0.4 * 0.72])
    assert coco([found], [TRUTH[:1]], 1) == pytest.approx(0.5)
    assert voc_2007([found], [TRUTH[:1]], 1) == 1.0


def test_difficult_boxes_and_crowds_neither_count_nor_hurt() -> None:
    truth = np.concatenate([TRUTH, [[0, 0.0, 0.6, 0.3, 0.9, 1]]])
    found = rows(EXACT[0], ELSEWHERE, EXACT[1])
    assert voc_2007([found], [truth], 1) == 1.0
    assert coco([found], [truth], 1) == 1.0
    inside = rows(EXACT[0], [0, 0.88, 0.0, 0.6, 0.1, 0.7], [0, 0.86, 0.1, 0.6, 0.2, 0.7], EXACT[1])
    assert coco([inside], [truth], 1) == 1.0  # small detections inside a crowd
    assert voc_2007([inside], [truth], 1) == pytest.approx((6 + 5 * 2 / 4) / 11)


def test_classes_are_averaged_and_kept_apart() -> None:
    truth = np.array([[0, 0.0, 0.0, 0.4, 0.4, 0], [1, 0.5, 0.5, 0.9, 0.9, 0], [-1, 0, 0, 0, 0, 0]])
    assert voc_2007([rows(EXACT[0], EXACT[1])], [truth], 3) == pytest.approx(1 / 2)  # the second has the wrong class
    assert coco([rows(EXACT[0], EXACT[1])], [truth], 3) == pytest.approx(1 / 2)


def test_coco_takes_the_best_hundred() -> None:
    misses = [[0, 0.95, 0.6, 0.0, 0.7, 0.1]] * 100
    assert coco([rows(*misses, EXACT[0])], [TRUTH[:1]], 1) == 0.0
    assert coco([rows(*misses[1:], EXACT[0])], [TRUTH[:1]], 1) == pytest.approx(1 / 100)


def test_against_pycocotools() -> None:
    """Random boxes, some of them crowds, against COCO's own program where it is installed."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    truth, found = [], []
    for _ in range(20):
        corner, side = rng.uniform(0, 0.7, (5, 2)), rng.uniform(0.1, 0.3, (5, 2))
        kinds, crowds = rng.integers(0, 3, (5, 1)), rng.random((5, 1)) < 0.2
        truth.append(np.concatenate([kinds, corner, corner + side, crowds], axis=1).astype(float))
        moved = np.repeat(corner, 3, axis=0) + rng.normal(0, 0.03, (15, 2))
        boxes = np.concatenate([moved, moved + np.repeat(side, 3, axis=0) * rng.uniform(0.8, 1.2, (15, 2))], axis=1)
        found.append(np.concatenate([np.repeat(kinds, 3, axis=0), rng.random((15, 1)), boxes], axis=1))

    def box(values: Array) -> list[float]:
        left, top, right, bottom = (1000 * values).tolist()
        return [left, top, right - left, bottom - top]

    boxes = [(i, row) for i, t in enumerate(truth) for row in t]
    annotations = [
        {
            "id": n + 1,
            "image_id": i,
            "category_id": int(r[0]),
            "bbox": box(r[1:5]),
            "iscrowd": int(r[5]),
            "area": box(r[1:5])[2] * box(r[1:5])[3],
        }
        for n, (i, r) in enumerate(boxes)
    ]
    reference = COCO()
    reference.dataset = {
        "images": [{"id": i} for i in range(20)],
        "annotations": annotations,
        "categories": [{"id": c} for c in range(3)],
    }
    reference.createIndex()
    results = [
        {"image_id": i, "category_id": int(r[0]), "score": float(r[1]), "bbox": box(r[2:])}
        for i, d in enumerate(found)
        for r in d
    ]
    evaluation = COCOeval(reference, reference.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert coco(found, truth, 3) == pytest.approx(evaluation.stats[0], abs=1e-9)
