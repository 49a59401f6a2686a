"""Data sets: what every source gives, that splits repeat and share nothing, and one-line errors."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

from nas.data import DataError, Dataset, load  # noqa: E402
from nas.data.augment import RandomOffset, audio_augmentation, image_augmentation, seeded  # noqa: E402
from nas.data.mfcc import Mfcc  # noqa: E402

PARTS = ("train", "validation", "test")


def picture(path: Path, level: int, size: tuple[int, int] = (10, 12)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(np.full((*size, 3), level, np.uint8)).numpy())


def sound(path: Path, samples: np.ndarray, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def keys(data: Dataset) -> list[set]:
    return [set(getattr(data, part).keys.tolist()) for part in PARTS]


def assert_apart(data: Dataset, total: int) -> None:
    train, validation, test = keys(data)
    assert len(train | validation | test) == len(train) + len(validation) + len(test) == total


def archive(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_archive_is_divided_by_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (200, 5, 4), dtype=np.uint8), rng.integers(0, 3, 200)
    speaker = np.array([f"s{i}" for i in rng.integers(0, 40, 200)])
    spec = archive(tmp_path / "a.npz", x=x, y=y, speaker=speaker, classes=np.array(["a", "b", "c"]))
    data = load(spec, validation=0.2, test=0.3, seed=1)
    assert (data.shape, data.classes) == ((5, 4, 1), ("a", "b", "c"))
    assert_apart(data, 200)
    voices = [set(speaker[getattr(data, part).keys]) for part in PARTS]
    assert not (voices[0] & voices[1])
    assert not (voices[0] & voices[2])
    assert not (voices[1] & voices[2])
    assert 50 <= len(data.test) <= 70
    assert keys(load(spec, validation=0.2, test=0.3, seed=1)) == keys(data)
    assert keys(load(spec, validation=0.2, test=0.3, seed=2)) != keys(data)
    samples, labels = data.test.arrays()
    assert samples.dtype == np.float32
    assert (samples[..., 0] == x[data.test.keys].astype(np.float32) / 255).all()
    assert (labels == y[data.test.keys]).all()


def test_archive_with_its_own_test_split(tmp_path: Path) -> None:
    x = np.arange(30, dtype=np.float32).reshape(30, 1, 1, 1)
    spec = archive(tmp_path / "a.npz", x_train=x, y_train=np.arange(30) % 2, x_test=-x[:4], y_test=np.array([0, 1, 0, 1]))
    data = load(spec, validation=0.1)
    assert [len(getattr(data, part)) for part in PARTS] == [27, 3, 4]
    assert (data.test.arrays()[0].reshape(-1) == [0, -1, -2, -3]).all()
    assert data.classes == ("0", "1")


def test_archive_of_jpegs(tmp_path: Path) -> None:
    files = [tf.io.encode_jpeg(np.full((8, 8, 3), 10 * i, np.uint8)).numpy() for i in range(20)]
    offsets = np.cumsum([0, *map(len, files)])
    jpegs = np.frombuffer(b"".join(files), np.uint8)
    data = load(archive(tmp_path / "a.npz", jpg_train=jpegs, off_train=offsets, y_train=np.zeros(20, np.uint8)))
    assert data.shape == (8, 8, 3)
    samples, _ = data.train.arrays()
    assert np.allclose(samples[:, 0, 0, 0] * 255, 10 * data.train.keys, atol=2)


def test_batches_repeat_with_their_seed(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 6, 6, 1)).astype(np.float32)
    data = load(archive(tmp_path / "a.npz", x=x, y=np.zeros(40, np.int64)))
    layers = image_augmentation(6, 6)
    runs = [[b.numpy() for b, _ in data.train.batches(8, seed, seeded(layers, seed))] for seed in (3, 3, 4)]
    assert all((a == b).all() for a, b in zip(runs[0], runs[1], strict=True))
    assert any((a != b).any() for a, b in zip(runs[0], runs[2], strict=True))
    plain = np.concatenate([b.numpy() for b, _ in data.train.batches(8, seed=3)])
    assert plain.shape == (32, 6, 6, 1)
    assert sorted(plain.sum(axis=(1, 2, 3))) == sorted(x[data.train.keys].sum(axis=(1, 2, 3)))


def test_audio_augmentation_shifts_and_stretches_time_only() -> None:
    x = np.tile(np.arange(49, dtype=np.float32)[None, :, None, None], (64, 1, 10, 1))
    varied, _ = seeded(audio_augmentation(49, np.zeros(10), shift=5, tempo=0.2), 0)(x, np.zeros(64))
    time = varied.numpy()[..., 0]
    assert np.allclose(time, time[:, :, :1], atol=1e-3)
    assert (np.diff(time[:, :, 0], axis=1) > -1e-3).all()
    pace = (time[:, 30, 0] - time[:, 20, 0]) / 10
    assert pace.min() > 0.75
    assert pace.max() < 1.25
    assert pace.std() > 0.05
    assert 1 < np.abs(time[:, 24, 0] - 24).max() <= 7


def test_random_offsets_are_of_a_sample_or_of_a_frame() -> None:
    x, deviation = np.zeros((500, 6, 3, 1), np.float32), np.array([0.0, 1.0, 10.0])
    for every_frame in (False, True):
        layers = tf_keras.Sequential([RandomOffset(deviation, every_frame)])
        first, again, other = (seeded(layers, seed)(x, np.zeros(500))[0].numpy() for seed in (1, 1, 2))
        assert (first == again).all()
        assert (first != other).any()
        assert (first == first[:, :1]).all() != every_frame
        assert np.allclose(first.std(axis=(0, 1, 3)), deviation, rtol=0.1)
    assert (layers(x) == 0).numpy().all()


def test_picture_folder(tmp_path: Path) -> None:
    for name, level in (("cat", 51), ("dog", 204)):
        for number in range(10):
            picture(tmp_path / name / f"{number}.png", level)
    data = load(str(tmp_path))
    assert (data.shape, data.classes) == ((10, 12, 3), ("cat", "dog"))
    assert_apart(data, 20)
    samples, labels = data.train.arrays()
    assert (samples == np.array([51, 204], np.float32)[labels][:, None, None, None] / 255).all()
    assert load(str(tmp_path), size=(6, 4), channels=1).train.arrays()[0].shape[1:] == (6, 4, 1)
    assert load(str(tmp_path), classes=["dog", "cat"]).classes == ("dog", "cat")


def test_picture_folder_that_is_divided(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("val", 3), ("test", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                picture(tmp_path / part / name / f"{number}.png", 0)
    assert [len(getattr(load(str(tmp_path)), part)) for part in PARTS] == [20, 6, 4]
    picture(tmp_path / "test" / "eel" / "0.png", 0)
    with pytest.raises(DataError, match="cat, dog, eel are not those to train on, cat, dog"):
        load(str(tmp_path))


def words(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for word in ("yes", "no", "bird", "cat"):
        for speaker in range(10):
            for number in range(2):
                sound(folder / word / f"s{speaker}_nohash_{number}.wav", rng.integers(-999, 999, 16000 - 1000 * number))
    sound(folder / "_background_noise_" / "hum.wav", rng.integers(-99, 99, 48000))


def test_sound_folder(tmp_path: Path) -> None:
    words(tmp_path)
    data = load(str(tmp_path), classes=["yes", "no"])
    assert data.classes == ("yes", "no", "_silence_", "_unknown_")
    assert data.shape == (49, 10, 1)
    assert data.frontend == Mfcc()
    labels = np.concatenate([getattr(data, part).labels for part in PARTS])
    assert np.bincount(labels).tolist() == [20, 20, 20, 20]
    assert_apart(data, 80)
    assert load(str(tmp_path)).classes == ("bird", "cat", "no", "yes", "_silence_")


def test_sound_folder_with_lists(tmp_path: Path) -> None:
    words(tmp_path)
    (tmp_path / "testing_list.txt").write_text("yes/s0_nohash_0.wav\nno/s1_nohash_1.wav\n")
    (tmp_path / "validation_list.txt").write_text("yes/s2_nohash_0.wav\n")
    data = load(str(tmp_path), classes=["yes", "no", "bird", "cat"])
    assert [len(getattr(data, part)) for part in PARTS] == [80 + 20 - 3, 1, 2]
    samples, labels = data.test.arrays()
    with wave.open(str(tmp_path / "no" / "s1_nohash_1.wav")) as file:
        clip = np.frombuffer(file.readframes(16000), "<i2")
    assert (samples[labels == 1][0] == Mfcc().features(clip)).all()


def annotations(folder: Path) -> tuple[str, str]:
    """The same boxes as COCO and as VOC: in every picture a ball, and in every second one a difficult cube."""
    images, boxes = [], []
    for number in range(10):
        picture(folder / "JPEGImages" / f"{number}.png", 10 * number, (20, 40))
        images.append({"id": number, "file_name": f"{number}.png", "width": 40, "height": 20})
        boxes.append({"image_id": number, "category_id": 7, "bbox": [10, 5, 20, 10]})
        objects = "<object><name>ball</name><bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>15</ymax></bndbox></object>"
        if number % 2:
            boxes.append({"image_id": number, "category_id": 3, "bbox": [0, 0, 4, 4], "iscrowd": 1})
            objects += (
                "<object><name>cube</name><difficult>1</difficult>"
                "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></object>"
            )
        size = "<size><width>40</width><height>20</height></size>"
        (folder / "Annotations").mkdir(exist_ok=True)
        text = f"<annotation><filename>{number}.png</filename>{size}{objects}</annotation>"
        (folder / "Annotations" / f"{number}.xml").write_text(text)
    categories = [{"id": 7, "name": "ball"}, {"id": 3, "name": "cube"}]
    (folder / "coco.json").write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    return f"coco:{folder / 'coco.json'}:{folder / 'JPEGImages'}", f"voc:{folder}"


@pytest.mark.parametrize("kind", [0, 1], ids=["coco", "voc"])
def test_boxes(kind: int, tmp_path: Path) -> None:
    data = load(annotations(tmp_path)[kind], size=(10, 20))
    assert (data.shape, data.classes) == ((10, 20, 3), ("ball", "cube"))
    assert_apart(data, 10)
    for path, label in zip(data.train.keys, data.train.labels, strict=True):
        ball, cube = label
        assert np.allclose(ball, [0, 0.25, 0.25, 0.75, 0.75, 0])
        assert np.allclose(cube, [1, 0, 0, 0.1, 0.2, 1]) if int(Path(path).stem) % 2 else cube[0] == -1


def test_voc_lists(tmp_path: Path) -> None:
    _, spec = annotations(tmp_path)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, numbers in (("train", range(6)), ("val", (6, 7)), ("test", (8, 9))):
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(map(str, numbers)))
    data = load(spec, size=(10, 20), classes=["ball"])
    assert [sorted(int(Path(key).stem) for key in getattr(data, part).keys) for part in PARTS] == [[*range(6)], [6, 7], [8, 9]]
    assert data.train.labels.shape[1] == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((4, 3, 3))}, "no array 'y'; it holds x"),
        ({"x": np.zeros((4, 3, 3)), "y": np.zeros(5, int)}, "are not"),
        ({"x": np.zeros((40, 3, 3)), "y": np.full(40, 2), "classes": np.array(["a", "b"])}, "there are 2 class names"),
        ({"x": np.zeros((2, 3, 3)), "y": np.zeros(2, int)}, "cannot be divided"),
        ({"x": np.zeros((9, 3, 3)), "y": np.zeros(9, int), "groups": np.zeros(9)}, "1 groups of samples cannot be divided"),
    ],
)
def test_bad_archives(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as error:
        load(archive(tmp_path / "a.npz", **arrays))
    assert "\n" not in str(error.value)


def test_missing_and_damaged_data(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    sound(tmp_path / "fast" / "yes" / "a.wav", np.zeros(100), rate=44100)
    _, voc = annotations(tmp_path / "boxes")
    cases = {
        str(tmp_path / "absent.npz"): "cannot read",
        str(tmp_path / "broken.npz"): "cannot read",
        str(tmp_path / "absent"): "no such file or folder",
        str(tmp_path / "empty"): "no folders of pictures",
        str(tmp_path / "fast"): "convert it to 16 bits at 16000 Hz",
        f"voc:{tmp_path / 'empty'}": "no Annotations",
        f"coco:{tmp_path / 'absent.json'}:.": "No such file",
    }
    for spec, message in cases.items():
        with pytest.raises(DataError, match=message):
            load(spec, size=None if spec.endswith(".npz") else (8, 8))
    with pytest.raises(DataError, match="no object of class 'tree'; it has ball, cube"):
        load(voc, size=(8, 8), classes=["tree"])
    with pytest.raises(DataError, match="say --size"):
        load(voc)
    (tmp_path / "boxes" / "JPEGImages" / "3.png").unlink()
    with pytest.raises(DataError, match=r"picture that is missing: .*3\.png"):
        load(voc, size=(8, 8))


def test_named_data_set_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match="pip install tensorflow-datasets"):
        load("tfds:mnist")


def test_named_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")

    class TinyPictures(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> object:
            features = {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["no", "yes"]),
            }
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager: object) -> dict:
            return {"train": self._generate_examples(20), "test": self._generate_examples(4)}

        def _generate_examples(self, count: int) -> object:
            for number in range(count):
                yield number, {"image": np.full((4 + number % 2, 6, 3), number, np.uint8), "label": number % 2}

    make = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: make(name, data_dir=str(tmp_path)))
    data = load("tfds:tiny_pictures")
    assert (data.classes, data.shape[1:]) == (("no", "yes"), (6, 3))
    assert [len(getattr(data, part)) for part in PARTS] == [18, 2, 4]
    samples, labels = data.test.arrays()
    assert (np.rint(samples[:, 0, 0, 0] * 255) % 2 == labels).all()
    with pytest.raises(DataError, match="tfds:nonesuch"):
        load("tfds:nonesuch")
