"""`pixelcnnpp-digits`: a class-conditional PixelCNN++ of 256 levels.

Its output is a softmax over the levels, not the paper's mixture of logistics: of four pixels three
are 0 and many are 255, which smooth curves spend bits on. It looks levels up as vectors, too: the
digits' grey bytes repeat themselves exactly (docs/numbers.md has what each changed).
"""

from __future__ import annotations

from smalti.autoregressive import AutoregressiveConfig, Levels, fit
from smalti.autoregressive.pixelcnn.plusplus.network import PlusPlusConfig
from smalti.data.pictures import Pictures
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> AutoregressiveConfig:
    network = PlusPlusConfig(filters=32, blocks=2, dropout=0.35, embed=16)
    told = named_choice(pictures.classes)
    return fit(Levels(256, pictures.shape), network, conditions=told)


def recipe() -> Recipe:
    training = Training(batch=64, rate=2e-3, weight_decay=0.02, ema=0.9995, save=500)
    return Recipe(digits_only, model, training, size=28)
