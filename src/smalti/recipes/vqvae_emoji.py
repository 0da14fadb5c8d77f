"""`vqvae-emoji`: emoji of 64x64 as 16x16 codes."""

from __future__ import annotations

from smalti.codecs import EMAConfig, StridedConfig, VQVAEConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import EMOJI
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> VQVAEConfig:
    network = StridedConfig(channels=pictures.shape[0], width=96, halvings=2, blocks=3)
    return VQVAEConfig(pictures.shape, network, EMAConfig(codes=256, width=32))


def recipe() -> Recipe:
    training = Training(batch=32, rate=1e-3, weight_decay=0.0, flip=True, save=1000)
    return Recipe(EMOJI, model, training, size=64)
