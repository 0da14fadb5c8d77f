"""The shipped `emoji-classifier`, in whose features coloured pictures are compared."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import emoji_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(
        channels=pictures.shape[0],
        classes=len(pictures.classes),
        widths=(16, 32, 64, 64),
        ground=1.0,
    )


RECIPE = Recipe(
    name="emoji-classifier",
    summary="the judge of emoji and other coloured pictures; first `smalti fetch emoji`",
    read=emoji_or_own,
    model=model,
    training=Training(steps=3000, batch=64, rate=2e-3, flip=True),
    size=64,
)
