"""`vqvae-digits`: digits of 28x28 as 7x7 codes."""

from __future__ import annotations

from smalti.codecs import EMAConfig, StridedConfig, VQVAEConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> VQVAEConfig:
    network = StridedConfig(channels=pictures.shape[0], width=64, halvings=2)
    return VQVAEConfig(pictures.shape, network, EMAConfig(codes=64, width=16))


def recipe() -> Recipe:
    training = Training(batch=64, rate=1e-3, weight_decay=0.0, save=1000)
    return Recipe(digits_only, model, training, size=28)
