"""Gated PixelCNN on anybody's pictures: 32x32 unless told otherwise, by subfolders if any."""

from __future__ import annotations

from smalti.autoregressive import AutoregressiveConfig, Levels, fit
from smalti.autoregressive.pixelcnn.gated.network import GatedConfig
from smalti.data.pictures import Pictures
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> AutoregressiveConfig:
    """In colour wider, for each of the three groups of features has a third of the width."""
    C = pictures.shape[0]
    width, head = (32, 64) if C == 1 else (48, 96)
    network = GatedConfig(C, width=width, head=head, blocks=8, dropout=0.1)
    told = named_choice(pictures.classes)
    return fit(Levels(256, pictures.shape), network, conditions=told)


def recipe() -> Recipe:
    training = Training(batch=32, rate=2e-3, save=500)
    return Recipe(digits_or_own, model, training, size=32)
