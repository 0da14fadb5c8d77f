"""The shipped `emoji-classifier`, in whose features coloured pictures are compared."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import EMOJI
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(
        channels=pictures.shape[0],
        classes=len(pictures.classes),
        widths=(16, 32, 64, 64),
        ground=1.0,
    )


def recipe() -> Recipe:
    training = Training(batch=64, rate=2e-3, flip=True)
    return Recipe(EMOJI, model, training, size=64)
