"""Gated PixelCNN on anybody's pictures: 32x32 unless told otherwise, by subfolders if any."""

from __future__ import annotations

from smalti.autoregressive.pixelcnn import GatedConfig, PixelCNNConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> PixelCNNConfig:
    """In colour wider, for each of the three groups of features has a third of the width."""
    C = pictures.shape[0]
    network = GatedConfig(
        channels=C,
        width=32 if C == 1 else 48,
        head=64 if C == 1 else 96,
        blocks=8,
        condition=len(pictures.classes),
        dropout=0.1,
    )
    return PixelCNNConfig(shape=pictures.shape, network=network, classes=pictures.classes)


def recipe() -> Recipe:
    training = Training(batch=32, rate=2e-3, save=500)
    return Recipe(digits_or_own, model, training, size=32)
