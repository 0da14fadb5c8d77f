"""DDPM on anybody's pictures, 32x32 unless told otherwise; subfolders and captions are learned."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig
from smalti.layers.conditions import count_columns
from smalti.recipes.pictures import digits_or_own, list_conditions
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    """A U-Net whose finest maps are at most 32x32 and whose coarsest attend to themselves."""
    C, H, W = pictures.shape
    conditions = list_conditions(pictures)
    stem = 2 if max(H, W) <= 64 else 4
    deep = max(H, W) // stem > 16
    network = UNetConfig(
        channels=C,
        widths=(32, 64, 96) if deep else (40, 80),
        attention=(False, False, True) if deep else (False, True),
        stem=stem,
        condition=count_columns(conditions, spare=True),
        dropout=0.1,
    )
    guidance = 1.5 if conditions else 1.0
    return DiffusionConfig(
        shape=(C, H, W),
        network=network,
        conditions=conditions,
        sampler=DDIM(guidance=guidance),
    )


DDPM = Recipe(digits_or_own, model, Training(batch=64, rate=1e-3, save=1000), size=32)
