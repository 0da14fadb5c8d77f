"""`vqgan-emoji4`: emoji of four styles, 64x64, as 8x8 codes."""

from __future__ import annotations

from dataclasses import replace

from smalti.recipes.pictures import FetchedOrOwn
from smalti.recipes.recipe import Recipe
from smalti.recipes.vqgan import TRAINING, model


def recipe() -> Recipe:
    training = replace(TRAINING, batch=48, rate=6e-4, flip=True, save=1000)
    return Recipe(FetchedOrOwn("emoji4-64"), model, training, size=64)
