"""The example of keyword spotting says on this machine what Python says, from the same samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tflm_mcunet
from nas.data.mfcc import Mfcc
from tests.nas.test_mfcc import sounds
from tflm_mcunet.execute.build import call, host_compiler

EXAMPLE = Path(__file__).parents[2] / "examples" / "keyword_spotting"


def test_from_samples_to_words(tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    subprocess.run([sys.executable, EXAMPLE / "export.py", "--out", firmware], check=True)
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{firmware}"]
    call([*host_compiler(), *flags, *sorted(firmware.glob("*.c")), "-o", tmp_path / "keywords"])
    compiled = tflm_mcunet.compile(EXAMPLE / "model.tflite")
    entry = compiled.program.graph.inputs[0]
    answers = set()
    for clip in sounds(16000).values():
        (tmp_path / "clip.raw").write_bytes(clip.astype("<i2").tobytes())
        said = subprocess.run([tmp_path / "keywords", tmp_path / "clip.raw"], capture_output=True, text=True, check=True).stdout
        features = Mfcc(normalise=True).quantised(clip[: 480 + 48 * 320], entry.scale, entry.zero_point)
        (scores,) = compiled.run(features.reshape(entry.shape))
        assert said.split()[1] == str(int(scores.max()))
        answers.add(said)
    assert len(answers) > 1
