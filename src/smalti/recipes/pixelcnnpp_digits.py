"""`pixelcnnpp-digits`: a class-conditional PixelCNN++ of 256 levels."""

from __future__ import annotations

from smalti.data.pictures import Pictures
from smalti.pixelcnn import LogisticMixture, PixelCNNConfig, PlusPlusConfig
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> PixelCNNConfig:
    output = LogisticMixture(components=10)
    network = PlusPlusConfig(
        channels=pictures.shape[0],
        outputs=output.numbers(pictures.shape[0], 256),
        filters=32,
        blocks=2,
        condition=len(pictures.classes),
        dropout=0.1,
    )
    return PixelCNNConfig(
        shape=pictures.shape, network=network, output=output, classes=pictures.classes
    )


RECIPE = Recipe(
    name="pixelcnnpp-digits",
    summary="class-conditional PixelCNN++ of digits",
    read=digits_only,
    model=model,
    training=Training(batch=32, rate=2e-3, ema=0.9995, save=1000),
    size=28,
    minutes=60.0,
)
