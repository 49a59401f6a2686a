"""Detection: the C the same as the Python, targets and loss, and a toy detector from pictures to firmware."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
pytest.importorskip("tensorflow_model_optimization")

from nas.data import DataError, load  # noqa: E402
from nas.tasks import task  # noqa: E402
from nas.tasks.detector import pyramid_detector  # noqa: E402
from nas.tasks.heads import Detector, Head, decode, heads_of  # noqa: E402
from nas.tasks.vww import shown  # noqa: E402
from nas.tasks.yolo import YoloLoss, generalised_iou  # noqa: E402
from nas.train import Recipe, train  # noqa: E402
from nas.train_loop import Phase  # noqa: E402
from tflm_mcunet import Error  # noqa: E402
from tflm_mcunet.execute.host import build_library, close_library  # noqa: E402
from tflm_mcunet.graph import Quantization, Tensor  # noqa: E402

HEADS = [Head(6, 8, 8), Head(3, 4, 16)]
CLASSES = 3
OUTPUTS = [
    Tensor(f"head{i}", (1, head.rows, head.columns, 5 + CLASSES), np.dtype(np.int8), Quantization((scale,), (zero,)))
    for i, (head, scale, zero) in enumerate(zip(HEADS, (0.06, 0.11), (17, -40), strict=True))
]


def box_type() -> type[ctypes.Structure]:
    class Box(ctypes.Structure):
        _fields_ = [(name, ctypes.c_int16) for name in ("left", "top", "right", "bottom")] + [
            ("score", ctypes.c_uint16),
            ("number", ctypes.c_uint16),
        ]

    return Box


def test_c_is_bit_exact(tmp_path: Path) -> None:
    detector = Detector(HEADS, OUTPUTS, CLASSES, 48, 64, score=0.2, overlap=0.4)
    for name, text in detector.files("net").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "call.c").write_text(
        '#include "net_detection.h"\n'
        "int32_t call(const int8_t *a, const int8_t *b, struct mcu_box *boxes, int32_t capacity)\n"
        "{\n    const int8_t *outputs[NET_HEADS] = {a, b};\n"
        "    const int32_t count = mcu_detection_decode(&net_detection, outputs, boxes, capacity);\n"
        "    return mcu_detection_suppress(&net_detection, boxes, count);\n}\n"
    )
    flags = (
        "-std=c99",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-fsanitize=undefined",
        "-fsanitize-undefined-trap-on-error",
    )
    library = build_library([tmp_path / "call.c", tmp_path / "net_detection.c"], [tmp_path], flags)
    rng, box, seen = np.random.default_rng(0), box_type(), set()
    try:
        for trial in range(60):
            outputs = [rng.integers(-128, 128, t.shape[1:], dtype=np.int8) for t in OUTPUTS]
            if trial % 3 == 0:  # many boxes alike, and equal scores
                outputs = [np.broadcast_to(output[:1, :1], output.shape).copy() for output in outputs]
            for capacity in (0, 1, 7, 200):
                boxes = (box * max(capacity, 1))()
                count = library.call(*(output.ctypes.data_as(ctypes.c_void_p) for output in outputs), boxes, capacity)
                found = [[getattr(b, name) for name, _ in box._fields_] for b in boxes[:count]]
                assert found == detector.boxes(outputs, capacity).tolist()
                seen.add(count)
    finally:
        close_library(library)
    assert len(seen) > 5


def test_integers_are_close_to_floats() -> None:
    detector = Detector(HEADS, OUTPUTS, CLASSES, 48, 64, score=0.3, overlap=0.45)
    rng, compared = np.random.default_rng(1), 0
    for _ in range(20):
        quantised = [rng.integers(-128, 128, t.shape[1:], dtype=np.int8) for t in OUTPUTS]
        reals = [(q.astype(np.float32) - t.zero_point) * t.scale for q, t in zip(quantised, OUTPUTS, strict=True)]
        boxes, expected = detector.boxes(quantised, 1000), decode(HEADS, reals, 0.3, 0.45)
        if len(boxes) != len(expected):
            continue  # a box is at the very limit of score or overlap
        ours = np.column_stack([boxes[:, 5], boxes[:, 4] / 32768, boxes[:, :4] / (16 * np.array([64, 48, 64, 48]))])
        apart = np.abs(ours[:, None] - expected).max(axis=2)  # equal scores may come in another order
        assert apart.min(axis=0).max() < 0.005
        assert apart.min(axis=1).max() < 0.005
        compared += 1
    assert compared > 10


def test_suppression_by_hand() -> None:
    """Two cells on one object, and one of another class on the same place: the better of the first two stays, and the third."""
    logits = np.full((1, 2, 7), -9.0)
    logits[0, :, :5] = [[9, 0, 0, 0, 3], [-9, 0, 0, 0, 2]]  # at 1.5 and 0.5 + 1 - ... of the same place
    logits[0, 0, 5] = logits[0, 1, 5] = 9
    head = Head(1, 2, 8)
    assert len(decode([head], [logits], 0.1, 0.45)) == 1
    logits[0, 1, 5:] = [-9, 9]
    assert len(decode([head], [logits], 0.1, 0.45)) == 2


def test_heads_from_shapes() -> None:
    assert heads_of((48, 64, 3), [(6, 8, 8), (3, 4, 8)], CLASSES) == HEADS
    for shape, message in (((6, 8, 7), "no head for 3 classes"), ((5, 8, 8), "square cells"), ((6, 7, 8), "square cells")):
        with pytest.raises(Error, match=message):
            heads_of((48, 64, 3), [shape], CLASSES)


def labels_and_outputs() -> tuple[np.ndarray, np.ndarray]:
    """An object of the first head's size, one of the second's, one that does not train; outputs that find the two."""
    labels = np.full((1, 4, 6), -1, np.float32)
    labels[0, 0] = [2, 0.25, 0.25, 0.75, 0.75, 0]  # 32x24 pixels: anchor 32
    labels[0, 1] = [0, 0.0, 0.0, 1.0, 1.0, 0]  # 64x48 pixels: anchor 64
    labels[0, 2] = [1, 0.1, 0.1, 0.2, 0.2, 1]
    outputs = np.full((1, 60, 8), -12, np.float32)
    first, second = 3 * 8 + 4, 48 + 1 * 4 + 2  # cells that hold the centres
    for cell, kind in ((first, 2), (second, 0)):
        outputs[0, cell, 4] = outputs[0, cell, 5 + kind] = 12
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    outputs[0, first, :4] = [logit(0.25), logit(0.25), logit(np.sqrt(1.0) / 2), logit(np.sqrt(24 / 32) / 2)]
    outputs[0, second, :4] = [logit(0.25), logit(0.5), logit(np.sqrt(1.0) / 2), logit(np.sqrt(48 / 64) / 2)]
    return labels, outputs


def test_loss_vanishes_for_right_answers_only() -> None:
    labels, outputs = labels_and_outputs()
    loss = YoloLoss(HEADS, CLASSES)
    right = float(loss(labels, tf.constant(outputs)))
    assert right < 1e-3
    for cell, place in ((28, 4), (28, 7), (28, 0), (54, 4), (0, 4)):
        wrong = outputs.copy()
        wrong[0, cell, place] *= -1
        assert float(loss(labels, tf.constant(wrong))) > right + 0.01, (cell, place)
    found = decode(HEADS, [outputs[0, :48].reshape(6, 8, 8), outputs[0, 48:].reshape(3, 4, 8)], 0.5, 0.45)
    assert np.allclose(found[np.argsort(-found[:, 0])][:, [0, 2, 3, 4, 5]], labels[0, :2, :5], atol=1e-3)


def test_loss_without_objects_is_finite() -> None:
    labels = np.full((2, 3, 6), -1, np.float32)
    outputs = tf.Variable(np.random.default_rng(0).normal(size=(2, 60, 8)).astype(np.float32))
    with tf.GradientTape() as tape:
        loss = YoloLoss(HEADS, CLASSES)(labels, outputs)
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, outputs)).all()


def test_generalised_iou() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, 1, 1]], np.float32)
    b = np.array([[1, 1, 3, 3], [2, 0, 3, 1]], np.float32)
    assert np.allclose(generalised_iou(a, b), [1 / 7 - 2 / 9, -1 / 3])


def squares(folder: Path, count: int, size: int = 64) -> str:
    """Pictures of one bright square or one dark one, as COCO annotates them."""
    rng = np.random.default_rng(0)
    images, boxes = [], []
    (folder / "pictures").mkdir(parents=True)
    for number in range(count):
        side, kind = int(rng.integers(16, 33)), int(rng.integers(0, 2))
        left, top = (int(rng.integers(0, size - side)) for _ in range(2))
        pixels = rng.integers(100, 140, (size, size, 3))
        pixels[top : top + side, left : left + side] = 230 if kind else 20
        (folder / "pictures" / f"{number}.png").write_bytes(tf.io.encode_png(pixels.astype(np.uint8)).numpy())
        images.append({"id": number, "file_name": f"{number}.png", "width": size, "height": size})
        boxes.append({"image_id": number, "category_id": kind, "bbox": [left, top, side, side]})
    categories = [{"id": 0, "name": "dark"}, {"id": 1, "name": "person"}]
    (folder / "all.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return f"coco:{folder / 'all.json'}:{folder / 'pictures'}"


@pytest.mark.slow
def test_from_pictures_to_firmware(tmp_path: Path) -> None:
    tf_keras.utils.set_random_seed(0)
    data = load(squares(tmp_path / "data", 200), size=(64, 64), classes=["dark", "person"])
    recipe = Recipe(Phase("float", 25, 16, 5e-3), Phase("quantised", 4, 16, 1e-3))
    trained = train(data, task("detection"), lambda: pyramid_detector(data.shape, 2, 16, 2), recipe, tmp_path / "out", verbose=0)
    assert trained.metrics["float"]["map_voc_2007"] > 0.6
    assert trained.metrics["int8"]["map_voc_2007"] > 0.6
    names = {path.name for path in (tmp_path / "out" / "firmware").iterdir()}
    assert names >= {"model.c", "model_detection.c", "model_detection.h", "mcu_detection.h"}
    build_library(
        [tmp_path / "out" / "firmware" / name for name in ("model.c", "model_detection.c")], [tmp_path / "out" / "firmware"]
    )


def test_visual_wake_words(tmp_path: Path) -> None:
    data = load(squares(tmp_path, 20), size=(8, 8))
    wake = task("vww").prepare(data)
    assert wake.classes == ("no person", "person")
    person = data.classes.index("person")
    assert (wake.train.labels == (data.train.labels[:, 0, 0] == person)).all()
    with pytest.raises(DataError, match="needs boxes of class 'person'"):
        task("vww").prepare(load(squares(tmp_path / "other", 20), size=(8, 8), classes=["dark"]))
    with pytest.raises(DataError, match="needs one class per sample, not boxes"):
        task("classification").prepare(data)


def test_small_persons_do_not_count() -> None:
    labels = np.full((3, 2, 6), -1, np.float32)
    labels[0, 0] = [1, 0, 0, 0.05, 0.05, 0]  # 0.25% of the picture
    labels[1, 1] = [1, 0, 0, 0.1, 0.06, 0]  # 0.6%
    labels[2, 0] = [0, 0, 0, 1, 1, 0]
    assert shown(labels, 1).tolist() == [0, 1, 0]


def test_unknown_task() -> None:
    with pytest.raises(Error, match="--task sorting: choose one of classification"):
        task("sorting")
