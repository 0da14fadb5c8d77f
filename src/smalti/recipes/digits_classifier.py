"""The shipped `digits-classifier`, by which samples of digits are judged."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(channels=pictures.shape[0], classes=len(pictures.classes))


def recipe() -> Recipe:
    training = Training(batch=64, rate=2e-3, ema=0.999, save=1000)
    return Recipe(digits_only, model, training, size=28)
