"""`tflm-mcunet train`: its options, and what they mean."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.arguments import amount, natural, part, positive, share
from tflm_mcunet.errors import Error
from tflm_mcunet.options import INPUTS, MINIMIZE, SCHEDULES, parse_bytes

if TYPE_CHECKING:
    import tf_keras

    from nas.data.dataset import Dataset
    from nas.train import Recipe

TASKS = ("classification", "keywords", "vww", "detection")
MODEL_SUFFIXES = (".keras", ".h5")


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of `train`."""
    command.add_argument(
        "--data", required=True, metavar="SPEC", help="FILE.npz[:ARRAY], a folder, tfds:NAME, voc:DIR, coco:FILE:DIR"
    )
    command.add_argument(
        "--model", required=True, metavar="MODEL", help="Keras file, MCUNet .json, or a baseline (docs/guides/train.md)"
    )
    command.add_argument("--out", required=True, metavar="DIR", help="folder for model, figures, checkpoints and firmware")
    command.add_argument("--task", default="classification", choices=TASKS, help="what to train for (default: classification)")
    _add_data(command.add_argument_group("data"))
    _add_training(command.add_argument_group("training"))
    _add_compilation(command.add_argument_group("compilation (see compile --help)"))


def _add_data(group: Any) -> None:
    group.add_argument("--size", metavar="HxW", help="scale pictures to this size, such as 96x96 (default: the first one's)")
    group.add_argument("--grey", action="store_true", help="read pictures in grey")
    group.add_argument("--classes", metavar="LIST", help="the classes to tell apart, separated by commas (default: all)")
    group.add_argument("--validation", type=part, default=0.1, metavar="SHARE", help="where the data has none (default: 0.1)")
    group.add_argument("--test", type=part, default=0.1, metavar="SHARE", help="where the data has none (default: 0.1)")
    group.add_argument("--no-augment", action="store_true", help="train on the samples as they are")


def _add_training(group: Any) -> None:
    group.add_argument("--epochs", type=natural, default=30, metavar="N", help="of float training or fine-tuning (default: 30)")
    group.add_argument("--qat-epochs", type=natural, default=10, metavar="N", help="of quantisation-aware training (default: 10)")
    group.add_argument("--batch", type=positive, default=128, metavar="N", help="samples per step (default: 128)")
    group.add_argument("--rate", type=amount, default=4e-3, metavar="X", help="learning rate (default: 0.004)")
    group.add_argument(
        "--qat-rate", type=amount, default=4e-4, metavar="X", help="of quantisation-aware training (default: 0.0004)"
    )
    group.add_argument("--optimizer", default="adam", choices=("adam", "sgd"), help="default: adam")
    group.add_argument("--weight-decay", type=amount, default=0.0, metavar="X", help="decoupled (default: 0)")
    group.add_argument("--teacher", metavar="FILE", help="Keras file of a trained network to distil from")
    group.add_argument("--temperature", type=amount, default=4.0, metavar="T", help="of distillation (default: 4)")
    group.add_argument("--taught", type=share, default=0.5, metavar="SHARE", help="of the teacher in the loss (default: 0.5)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of division, weights and order (default: 0)")
    group.add_argument("--distribute", choices=("mirrored", "multi-worker"), help="over GPUs, or the machines of TF_CONFIG")
    group.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: all)")


def _add_compilation(group: Any) -> None:
    group.add_argument("--target", default="generic", metavar="NAME", help="board or core")
    group.add_argument("--name", default="model", metavar="PREFIX", help="prefix of the C symbols (default: model)")
    group.add_argument("--sram", metavar="BYTES", help="limit of the arena")
    group.add_argument("--minimize", default="latency", choices=MINIMIZE)
    group.add_argument("--schedule", default="auto", choices=SCHEDULES)
    group.add_argument("--input", default="whole", choices=INPUTS)


def train_model(options: argparse.Namespace) -> None:
    """`train`: from data to firmware."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow_model_optimization  # noqa: F401
    except ImportError as error:
        raise Error(f"train needs the extra [nas]: pip install 'tflm-mcunet[nas]' ({error})") from error
    from nas.data import load
    from nas.tasks import task
    from nas.train import train
    from nas.train_distribute import strategy
    from nas.train_loop import deterministic

    deterministic(options.seed, options.threads)
    chosen_strategy = strategy(options.distribute)
    chosen = task(options.task)
    data = chosen.prepare(
        load(
            options.data,
            size=_size(options.size),
            channels=1 if options.grey else 3,
            classes=options.classes.split(",") if options.classes else None,
            validation=options.validation,
            test=options.test,
            seed=options.seed,
        )
    )
    trained = train(
        data,
        chosen,
        lambda: _model(options.model, data),
        _recipe(options),
        Path(options.out),
        build_teacher=(lambda: _file(options.teacher)) if options.teacher else None,
        compile_options=_compile_options(options),
        strategy=chosen_strategy,
        verbose=0 if options.json else 1 if sys.stdout.isatty() else 2,
    )
    if trained is None:
        return  # the first worker shows the figures
    if options.json:
        print(json.dumps(trained.metrics, indent=2))
    else:
        _show(trained.metrics, options.out)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise Error(f"--size {text}: write height x width, such as 96x96")
    return int(height), int(width)


def _model(name: str, data: Dataset) -> tf_keras.Model:
    from nas.baselines import BASELINES
    from nas.tasks.detector import pyramid_detector

    known = {**BASELINES, "pyramid-detector": pyramid_detector}
    if name in known:
        return known[name](data.shape, len(data.classes))
    if name.endswith(MODEL_SUFFIXES):
        return _file(name)
    if name.endswith(".json"):
        return _published(Path(name), data)
    raise Error(f"--model {name}: a file ending in {', '.join(MODEL_SUFFIXES)} or .json, or one of {', '.join(known)}")


def _published(path: Path, data: Dataset) -> tf_keras.Model:
    """A network of MCUNet's, from its description, for this data."""
    from nas.model import keras_model
    from nas.published import read

    height, width, channels = data.shape
    return keras_model(replace(read(path), height=height, width=width, channels=channels, classes=len(data.classes)), path.stem)


def _file(path: str) -> tf_keras.Model:
    from nas.keras_model import read

    return read(Path(path))


def _recipe(options: argparse.Namespace) -> Recipe:
    from nas.train import Recipe
    from nas.train_loop import Phase

    shared = {
        "batch": options.batch,
        "optimizer": options.optimizer,
        "weight_decay": options.weight_decay,
        "seed": options.seed,
    }
    return Recipe(
        Phase("float", options.epochs, rate=options.rate, **shared),
        Phase("quantised", options.qat_epochs, rate=options.qat_rate, **shared),
        augment=not options.no_augment,
        temperature=options.temperature,
        taught=options.taught,
    )


def _compile_options(options: argparse.Namespace) -> dict[str, Any]:
    names = ("target", "name", "minimize", "schedule", "input")
    return {name: getattr(options, name) for name in names} | {"sram": parse_bytes(options.sram) if options.sram else None}


def _show(metrics: dict[str, Any], out: str) -> None:
    rows = {"float": "float", "int8": "int8", "int8_without_training": "int8, not trained quantised"}
    for key, title in rows.items():
        print(f"{title:28} " + ", ".join(f"{name} {value:.4f}" for name, value in metrics[key].items()))
    print(f"{'SRAM':28} {metrics['sram']['arena']:,} bytes")
    print(f"{'flash for weights':28} {metrics['flash']['weights']:,} bytes")
    print(f"{'MACs':28} {metrics['macs']:,}")
    print(f"bit-exact with TFLM; wrote {out}/model.tflite, {out}/model.keras, {out}/metrics.json, {out}/firmware")
