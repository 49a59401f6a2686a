"""Keyword spotting: classes of sounds, from integer MFCCs that the exported front end computes too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.data.augment import Augmentation, audio_augmentation
from nas.data.dataset import Dataset
from nas.tasks.classification import Classification
from nas.tasks.frontend import frontend_files

if TYPE_CHECKING:
    from tflm_mcunet.compiled import Compiled


SAMPLES = 1000
"""As many tell how much the features vary."""


class Keywords(Classification):
    """Classification of features [frames, coefficients, 1], which are varied as voices and rooms vary them for training."""

    name = "keywords"

    def augmentation(self, data: Dataset) -> Augmentation | None:
        samples, _ = data.train.take(SAMPLES).arrays()
        return audio_augmentation(data.shape[0], samples.std(axis=(0, 1, 3)))

    def companions(self, compiled: Compiled, data: Dataset) -> dict[str, str]:
        """The front end from samples to the network's input, where the data was made from sound here."""
        if data.frontend is None:
            return {}
        entry = compiled.program.graph.inputs[0]
        return frontend_files(data.frontend, compiled.program.prefix, entry.scale, entry.zero_point)
