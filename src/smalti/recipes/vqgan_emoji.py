"""`vqgan-emoji`: emoji of 64x64 as 8x8 codes; and its twin by squared error alone."""

from __future__ import annotations

from dataclasses import replace

from smalti.codecs import VQVAEConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import emoji_or_own
from smalti.recipes.recipe import Recipe
from smalti.recipes.vqgan import TRAINING, model


def twin(pictures: Pictures) -> VQVAEConfig:
    own = model(pictures)
    return VQVAEConfig(own.shape, own.network, own.quantiser)


RECIPE = Recipe(
    name="vqgan-emoji",
    summary="a VQGAN of emoji: 64x64 as 8x8 of 512 codes; first `smalti fetch emoji`",
    read=emoji_or_own,
    model=model,
    training=replace(TRAINING, flip=True, save=1000),
    size=64,
    minutes=45.0,
)
