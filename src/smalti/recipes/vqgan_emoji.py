"""`vqgan-emoji`: emoji of 64x64 as 8x8 codes; and its twin by squared error alone."""

from __future__ import annotations

from dataclasses import replace

from smalti.codecs import VQVAEConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import EMOJI
from smalti.recipes.recipe import Recipe
from smalti.recipes.vqgan import TRAINING, model


def twin(pictures: Pictures) -> VQVAEConfig:
    """The same network, trained by its squared error alone."""
    own = model(pictures)
    return VQVAEConfig(own.shape, own.network, own.quantiser)


def recipe(plain: bool = False) -> Recipe:
    training = replace(TRAINING, flip=True, save=1000)
    return Recipe(EMOJI, twin if plain else model, training, size=64)
