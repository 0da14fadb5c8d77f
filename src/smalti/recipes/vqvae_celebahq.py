"""The article's four VQ-VAEs of CelebA-HQ, for whoever has it and a GPU (SingleZombie/DL-Demos)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from smalti.codecs import StridedConfig, Uniform, VQConfig, VQVAEConfig
from smalti.codecs.upkeep import Revival
from smalti.core.errors import UserError
from smalti.core.size import Size
from smalti.data import Splits, read_splits
from smalti.data.pictures import Pictures
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def celebahq(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    if path is None:
        raise UserError("--data is missing; this recipe is for CelebA-HQ, which you have to bring")
    return read_splits(path, size=size, progress=progress)


def model(pictures: Pictures, codes: int) -> VQVAEConfig:
    """As the article has it: no k-means, no revival, pictures in [0, 1], no averaged codebook."""
    network = StridedConfig(channels=pictures.shape[0], width=128, halvings=2, low=0.0)
    plain = VQConfig(codes, width=128, start=Uniform(), revival=Revival(below=0.0))
    return VQVAEConfig(pictures.shape, network, plain)


def recipe(size: int, codes: int) -> Recipe:
    training = Training(batch=64, rate=2e-4, weight_decay=0.0, save=2000)
    return Recipe(celebahq, partial(model, codes=codes), training, size=size)
