"""`letters`: a class-conditional DDPM of A-Z, a-z and 0-9 in hundreds of typefaces."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import FetchedOrOwn
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    """The network of ddpm-digits with more classes."""
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(40, 80),
        attention=(False, True),
        condition=len(pictures.classes) + 1,
        dropout=0.05,
    )
    return DiffusionConfig(
        pictures.shape,
        network,
        conditions=named_choice(pictures.classes),
        sampler=DDIM(guidance=1.5),
    )


LETTERS = Recipe(
    FetchedOrOwn("letters-32"),
    model,
    Training(batch=128, rate=2e-3, ema=0.9995, save=1000),
    size=32,
)
