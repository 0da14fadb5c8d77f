"""VQ-VAE on anybody's pictures: 64x64 unless told otherwise, a code for 8x8 pixels of colour."""

from __future__ import annotations

from smalti.codecs import EMAConfig, StridedConfig, VQVAEConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> VQVAEConfig:
    network = StridedConfig(channels=pictures.shape[0], width=64, halvings=2)
    return VQVAEConfig(pictures.shape, network, EMAConfig(codes=256, width=32))


def recipe() -> Recipe:
    training = Training(batch=32, rate=1e-3, weight_decay=0.0, save=500)
    return Recipe(digits_or_own, model, training, size=64)
