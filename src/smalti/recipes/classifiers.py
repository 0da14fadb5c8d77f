"""Recipes of the shipped classifiers, which give the labels and features of evaluation."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import EMOJI, read_digits
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def digits_classifier(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(channels=pictures.shape[0], classes=len(pictures.classes))


def emoji_classifier(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(
        channels=pictures.shape[0],
        classes=len(pictures.classes),
        widths=(16, 32, 64, 64),
        background=1.0,
    )


DIGITS_CLASSIFIER = Recipe(
    read_digits,
    digits_classifier,
    Training(batch_size=64, learning_rate=2e-3, ema=0.999, save_every=1000),
    size=28,
)
EMOJI_CLASSIFIER = Recipe(
    EMOJI, emoji_classifier, Training(batch_size=64, learning_rate=2e-3, flip=True), size=64
)
