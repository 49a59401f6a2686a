"""Folders of WAV files, one folder per word, as in Speech Commands (Warden, arXiv 1804.03209)."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.data.dataset import DataError, Dataset, completed, in_memory
from nas.data.mfcc import Mfcc
from tflm_mcunet.graph import Array

NOISE = "_background_noise_"
SILENCE, UNKNOWN = "_silence_", "_unknown_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}


@dataclass(frozen=True)
class Sound:
    """A clip in a file.

    Attributes:
        word: its class.
        first, gain: where in the file the clip begins, and its volume.
    """

    path: Path
    word: str
    first: int = 0
    gain: float = 1.0

    @property
    def speaker(self) -> str:
        """Whose clips must stay together; the file itself where its name does not say."""
        return self.path.name.split("_nohash_")[0] if self.word != SILENCE else f"{self.path.name}:{self.first}"


def load_sounds(folder: Path, classes: Sequence[str] | None, shares: dict[str, float], seed: int, mfcc: Mfcc) -> Dataset:
    """The data set of a folder of folders of WAV files, as MFCC features.

    With `classes`, other words become `_unknown_`. A folder `_background_noise_` of long recordings gives the class `_silence_`.
    Both get as many clips as words have on average. The lists that come with Speech Commands divide it; elsewhere, clips of one
    speaker (`SPEAKER_nohash_N.wav`) stay together.

    Raises:
        DataError: there are no WAV files, one of them does not suit, or a class has none.
    """
    rng = np.random.default_rng(seed)
    words = {path.name: sorted(path.glob("*.wav")) for path in sorted(folder.iterdir()) if path.is_dir() and path.name != NOISE}
    words = {word: files for word, files in words.items() if files}
    chosen = [word for word in classes or words if word not in (SILENCE, UNKNOWN)]
    for word in chosen:
        if word not in words:
            raise DataError(f"{folder}: no WAV files of '{word}'; it has {', '.join(words) or 'none at all'}")
    if not chosen:
        raise DataError(f"{folder}: no folders of WAV files, one per word")
    sounds = [Sound(path, word) for word in chosen for path in words[word]]
    mean = -(-len(sounds) // len(chosen))
    sounds += _unknown([path for word, files in words.items() if word not in chosen for path in files], mean, rng)
    sounds += _silence(sorted((folder / NOISE).glob("*.wav")), mean, mfcc, rng)
    names = tuple(chosen) + tuple(name for name in (SILENCE, UNKNOWN) if any(sound.word == name for sound in sounds))
    return _dataset(folder, sounds, names, shares, seed, mfcc)


def _unknown(others: list[Path], count: int, rng: np.random.Generator) -> list[Sound]:
    picked = rng.permutation(len(others))[:count]
    return [Sound(others[index], UNKNOWN) for index in sorted(picked)]


def _silence(recordings: list[Path], count: int, mfcc: Mfcc, rng: np.random.Generator) -> list[Sound]:
    if not recordings:
        return []
    files = rng.integers(0, len(recordings), count)
    spare = [max(len(read_wav(path, mfcc.rate)) - mfcc.clip, 0) for path in recordings]
    return [Sound(recordings[i], SILENCE, int(rng.integers(0, spare[i] + 1)), float(rng.random())) for i in files]


def _dataset(
    folder: Path, sounds: list[Sound], names: tuple[str, ...], shares: dict[str, float], seed: int, mfcc: Mfcc
) -> Dataset:
    with ThreadPoolExecutor() as pool:
        features = np.stack(list(pool.map(lambda sound: _features(sound, mfcc), sounds)))
    labels = np.array([names.index(sound.word) for sound in sounds], np.int32)
    listed = {name: set((folder / file).read_text().split()) for name, file in LISTS.items() if (folder / file).exists()}
    part = np.full(len(sounds), "train", dtype="<U10")
    for name, files in listed.items():
        part[[f"{sound.path.parent.name}/{sound.path.name}" in files for sound in sounds]] = name
    everything = in_memory(features, labels)
    known = {name: everything.subset(np.flatnonzero(part == name)) for name in ("train", *listed)}
    speakers = np.array([sound.speaker for sound in sounds])[part == "train"]
    return Dataset(**completed(known, shares, seed, speakers), classes=names, shape=mfcc.shape, frontend=mfcc)


def _features(sound: Sound, mfcc: Mfcc) -> Array:
    clip = read_wav(sound.path, mfcc.rate)[sound.first : sound.first + mfcc.clip]
    return mfcc.features(np.rint(clip * sound.gain).astype(np.int16))


def read_wav(path: Path, rate: int) -> Array:
    """The int16 samples of a file, the first channel where there are several.

    Raises:
        DataError: it is not 16-bit PCM of this rate.
    """
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2 or file.getframerate() != rate:
                found = f"{8 * file.getsampwidth()} bits at {file.getframerate()} Hz"
                raise DataError(f"{path} has {found}: convert it to 16 bits at {rate} Hz")
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")[:: file.getnchannels()]
    except (wave.Error, EOFError, OSError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
