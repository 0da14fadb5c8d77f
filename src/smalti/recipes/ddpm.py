"""DDPM on anybody's pictures: 32x32 unless told otherwise, conditioned on subfolders if any."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig
from smalti.recipes.pictures import digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    """A U-Net whose finest maps are at most 32x32 and whose coarsest attend to themselves."""
    C, H, W = pictures.shape
    stem = 2 if max(H, W) <= 64 else 4
    deep = max(H, W) // stem > 16
    network = UNetConfig(
        channels=C,
        widths=(32, 64, 96) if deep else (40, 80),
        attention=(False, False, True) if deep else (False, True),
        stem=stem,
        classes=len(pictures.classes),
        dropout=0.1,
    )
    guidance = 1.5 if pictures.classes else 1.0
    return DiffusionConfig(
        shape=(C, H, W),
        network=network,
        classes=pictures.classes,
        sampler=DDIM(guidance=guidance),
    )


DDPM = Recipe(digits_or_own, model, Training(batch=64, rate=1e-3, save=1000), size=32)
