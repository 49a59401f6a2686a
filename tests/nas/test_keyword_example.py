"""The example of keyword spotting says on this machine what Python says, from the same samples."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tflm_mcunet
from nas.data.mfcc import Mfcc
from tests.nas.test_mfcc import sounds
from tflm_mcunet.execute.build import call, host_compiler

EXAMPLE = Path(__file__).parents[2] / "examples" / "keyword_spotting"


@pytest.mark.parametrize("model", ["model.tflite", "searched.tflite"])
def test_from_samples_to_words(model: str, tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    subprocess.run([sys.executable, EXAMPLE / "export.py", "--model", model, "--out", firmware], check=True)
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{firmware}"]
    call([*host_compiler(), *flags, *sorted(firmware.glob("*.c")), "-o", tmp_path / "keywords"])
    compiled = tflm_mcunet.compile(EXAMPLE / model)
    entry = compiled.program.graph.inputs[0]
    answers = set()
    for clip in sounds(16000).values():
        (tmp_path / "clip.raw").write_bytes(clip.astype("<i2").tobytes())
        said = subprocess.run([tmp_path / "keywords", tmp_path / "clip.raw"], capture_output=True, text=True, check=True).stdout
        features = Mfcc(normalise=True).quantised(clip, entry.scale, entry.zero_point)
        (scores,) = compiled.run(features.reshape(entry.shape))
        assert said.split()[1] == str(int(scores.max()))
        answers.add(said)
    assert len(answers) > 1


def test_front_ends_need_no_tensorflow() -> None:
    check = "import sys, nas.tasks.frontend, nas.train_cli; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_firmware_of_sounds_has_the_front_end() -> None:
    pytest.importorskip("tf_keras")
    from nas.data.dataset import Dataset, in_memory
    from nas.tasks import task

    compiled = tflm_mcunet.compile(EXAMPLE / "model.tflite", name="words")
    split = in_memory(np.zeros((3, 49, 10, 1), np.float32), np.zeros(3, np.int32))
    data = Dataset(split, split, split, ("a", "b"), (49, 10, 1), Mfcc())
    assert set(task("keywords").companions(compiled, data)) == {"words_mfcc.h", "words_mfcc.c", "mcu_mfcc.h", "mcu_fixed_point.h"}
    assert task("keywords").companions(compiled, replace(data, frontend=None)) == {}
