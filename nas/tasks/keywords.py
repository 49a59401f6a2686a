"""Keyword spotting: classes of sounds, from the integer MFCC that the exported front end computes too."""

from __future__ import annotations

from nas.data.augment import Augmentation, audio_augmentation
from nas.data.dataset import Dataset
from nas.tasks.classification import Classification


class Keywords(Classification):
    """Classification of features [frames, coefficients, 1], shifted in time for training."""

    name = "keywords"

    def augmentation(self, data: Dataset) -> Augmentation | None:
        return audio_augmentation(data.shape[0])
