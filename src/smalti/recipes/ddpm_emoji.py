"""The shipped `ddpm-emoji`: a DDPM of Google's emoji, 64x64 in colour, class by class."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, Simple, UNetConfig
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import EMOJI
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    """Maps of 16x16 and 8x8 behind a stem of 4: what makes 64x64 affordable on a CPU.

    64 channels cannot carry the noise of 4x4 pixels in three colours, 48 numbers, beside all else,
    so the network predicts the picture; predicting v left speckles on white.
    """
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(64, 128),
        attention=(False, True),
        stem=4,
        condition=len(pictures.classes) + 1,
    )
    return DiffusionConfig(
        shape=pictures.shape,
        network=network,
        prediction="x0",
        objective=Simple(error="v"),
        conditions=named_choice(pictures.classes),
        sampler=DDIM(guidance=2.0),
    )


DDPM_EMOJI = Recipe(EMOJI, model, Training(batch=32, rate=1e-3, ema=0.9995, save=1000), size=64)
