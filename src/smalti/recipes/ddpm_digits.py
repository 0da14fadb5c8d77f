"""The shipped `ddpm-digits`: a class-conditional DDPM of handwritten digits."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.diffusion import DiffusionConfig, UNetConfig
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    network = UNetConfig(widths=(40, 80), attention=(False, True), condition=11)
    return DiffusionConfig(
        shape=pictures.shape, network=network, conditions=named_choice(pictures.classes)
    )


DDPM_DIGITS = Recipe(
    digits_only, model, Training(batch=128, rate=2e-3, ema=0.9995, save=1000), size=28
)
