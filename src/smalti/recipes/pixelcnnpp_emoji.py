"""`pixelcnnpp-emoji`: a PixelCNN++ that draws emoji from their names, 32x32 in colour.

Colours have 32 levels each. With 256 most of the loss is the grain of shades, and a short training
learns little else. With a few bits first shapes come sooner, which arXiv:1612.08185 shows.
"""

from __future__ import annotations

from smalti.autoregressive import AutoregressiveConfig, Levels, LogisticMixture, fit
from smalti.autoregressive.pixelcnn.plusplus.network import PlusPlusConfig
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.recipes.pictures import FetchedOrOwn
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

LEVELS = 32


def model(pictures: Pictures) -> AutoregressiveConfig:
    """Pictures from a description, as in arXiv:1606.05328, at the scale of a CPU."""
    return fit(
        Levels(LEVELS, pictures.shape),
        PlusPlusConfig(filters=32, blocks=1, dropout=0.1),
        LogisticMixture(components=5),
        conditions=(CaptionConfig(width=64),),
        condition_dropout=0.1,
    )


def recipe() -> Recipe:
    training = Training(batch=16, rate=2e-3, ema=0.999, save=500)
    return Recipe(FetchedOrOwn("emoji-{size}", captions=True), model, training, size=32)
