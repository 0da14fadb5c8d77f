"""VQGAN on anybody's pictures: 64x64 unless told otherwise, a code for 8x8 pixels."""

from __future__ import annotations

from smalti.codecs import CriticConfig, EMAConfig, Looks, ResidualConfig, VQGANConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> VQGANConfig:
    """Behind a stem of 2x2 pixels a step takes half as long. The critic sees 34 x 34 pixels."""
    C, H, W = pictures.shape
    network = ResidualConfig(
        channels=C,
        widths=(32, 64, 96),
        blocks=1,
        attention=(False, False, False),
        latent=64,
        stem=2,
        groups=16,
    )
    return VQGANConfig(
        shape=pictures.shape,
        network=network,
        quantiser=EMAConfig(codes=512, width=32),
        perceptual=Looks("digits" if (C, H, W) == (1, 28, 28) else "emoji"),
        critic=CriticConfig(channels=C, width=32, layers=2),
    )


TRAINING = Training(batch=16, rate=5e-4, weight_decay=0.0, save=500)


def recipe() -> Recipe:
    return Recipe(digits_or_own, model, TRAINING, size=64)
