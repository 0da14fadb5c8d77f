"""`gated-pixelcnn-digits`: a class-conditional Gated PixelCNN of 256 levels, or of 8.

The first window is 27 wide instead of the paper's 7: over one channel that costs less than a block,
and lets a pixel see the whole digit above it. Blocks alone would take three times as many for that,
and with less in view strokes begin where none belongs.
"""

from __future__ import annotations

from functools import partial

from smalti.autoregressive import AutoregressiveConfig, Levels, fit
from smalti.autoregressive.pixelcnn.gated.network import GatedConfig
from smalti.data.pictures import Pictures
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures, levels: int) -> AutoregressiveConfig:
    network = GatedConfig(width=64, blocks=8, first=27, head=128)
    told = named_choice(pictures.classes)
    return fit(Levels(levels, pictures.shape), network, conditions=told)


def recipe(levels: int = 256) -> Recipe:
    training = Training(batch=16, rate=2e-3, ema=0.9995, save=1000)
    return Recipe(digits_only, partial(model, levels=levels), training, size=28)
