"""`gated-pixelcnn-digits`: a class-conditional Gated PixelCNN of 256 levels."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.pixelcnn import GatedConfig, PixelCNNConfig
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> PixelCNNConfig:
    network = GatedConfig(width=32, blocks=8, condition=len(pictures.classes))
    return PixelCNNConfig(shape=pictures.shape, network=network, classes=pictures.classes)


RECIPE = Recipe(
    name="gated-pixelcnn-digits",
    summary="class-conditional Gated PixelCNN of digits",
    read=digits_only,
    model=model,
    training=Training(batch=32, rate=2e-3, ema=0.9995, save=1000),
    size=28,
    minutes=60.0,
)
