"""`vqvae-emoji-8`: the network of `vqgan-emoji`, trained by its squared error alone."""

from __future__ import annotations

from dataclasses import replace

from smalti.recipes.pictures import emoji_or_own
from smalti.recipes.recipe import Recipe
from smalti.recipes.vqgan import TRAINING
from smalti.recipes.vqgan_emoji import twin

RECIPE = Recipe(
    name="vqvae-emoji-8",
    summary="the network of vqgan-emoji by squared error alone, to compare",
    read=emoji_or_own,
    model=twin,
    training=replace(TRAINING, flip=True, save=1000),
    size=64,
    minutes=45.0,
)
