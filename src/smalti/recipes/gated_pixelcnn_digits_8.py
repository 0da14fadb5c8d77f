"""`gated-pixelcnn-digits-8`: a class-conditional Gated PixelCNN of 8 levels.

Its network is that of `gated-pixelcnn-digits`, for the same reasons.
"""

from __future__ import annotations

from smalti.autoregressive.pixelcnn import GatedConfig, PixelCNNConfig
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

LEVELS = 8


def model(pictures: Pictures) -> PixelCNNConfig:
    network = GatedConfig(
        outputs=LEVELS, width=64, blocks=8, first=27, head=128, condition=len(pictures.classes)
    )
    return PixelCNNConfig(
        shape=pictures.shape, network=network, levels=LEVELS, classes=pictures.classes
    )


RECIPE = Recipe(
    name="gated-pixelcnn-digits-8",
    summary="class-conditional Gated PixelCNN of digits in 8 levels",
    read=digits_only,
    model=model,
    training=Training(batch=16, rate=2e-3, ema=0.9995, save=1000),
    size=28,
    minutes=60.0,
)
