"""`vqgan-emoji4`: emoji of four styles, 64x64, as 8x8 codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from smalti.core.size import Size
from smalti.data import Splits, read_splits
from smalti.recipes.recipe import Recipe
from smalti.recipes.vqgan import TRAINING, model


def read(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The emoji of four styles as they were fetched, or the pictures that lie at a path."""
    return read_splits(path or "emoji4-64", size=size, progress=progress)


RECIPE = Recipe(
    name="vqgan-emoji4",
    summary="a VQGAN of four styles of emoji, 64x64 as 8x8 codes; first `smalti fetch emoji4`",
    read=read,
    model=model,
    training=replace(TRAINING, steps=7000, batch=48, rate=6e-4, flip=True, save=1000),
    size=64,
    minutes=120.0,
)
