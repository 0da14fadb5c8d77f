"""The shipped classifiers: judges of samples, in whose features pictures are compared."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import EMOJI, digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def digits_classifier(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(channels=pictures.shape[0], classes=len(pictures.classes))


def emoji_classifier(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(
        channels=pictures.shape[0],
        classes=len(pictures.classes),
        widths=(16, 32, 64, 64),
        ground=1.0,
    )


DIGITS_CLASSIFIER = Recipe(
    digits_only, digits_classifier, Training(batch=64, rate=2e-3, ema=0.999, save=1000), size=28
)
EMOJI_CLASSIFIER = Recipe(
    EMOJI, emoji_classifier, Training(batch=64, rate=2e-3, flip=True), size=64
)
