"""Recipes of textures: a codec of small crops, and a prior that draws pictures of any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from smalti.autoregressive import GPTConfig
from smalti.codecs import (
    ClassifierDistance,
    DiscriminatorConfig,
    EMAConfig,
    StridedConfig,
    VQGANConfig,
)
from smalti.core.size import Size, normalize_size
from smalti.data import Splits, read_splits
from smalti.data.pictures import Pictures
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.priors import prior
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

PACK = "textures-free-128"  # models trained on it may be redistributed
ISOTROPIC = ("carpet", "concrete", "dirt", "grass", "gravel", "leaves", "pavement", "tile")
"""Materials that look alike after a quarter turn; bricks and planks do not."""
NOT_STATIONARY = ("carpet", "snow")
"""Classes of that pack whose pictures show figures: medallions, a mountain."""


@dataclass(frozen=True)
class CropReader:
    """Reads pictures twice as large as the model's, and cuts crops of its size.

    Training crops are at random places, mirrored at random, and turned by quarters where the class
    is isotropic; held-out ones are the four quarters of a picture.
    """

    crops: int
    """Training crops of each picture."""
    seed: int = 0

    def __call__(
        self, path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
    ) -> Splits:
        h, w = normalize_size(size)
        splits = read_splits(path or PACK, size=(2 * h, 2 * w), progress=progress)
        dropped = NOT_STATIONARY if path is None else ()
        train, valid = (drop_classes(part, dropped) for part in (splits.train, splits.valid))
        test = None if splits.test is None else drop_classes(splits.test, dropped)
        return Splits(
            cut_crops(train, (h, w), self.crops, self.seed),
            cut_quarters(valid, (h, w)),
            None if test is None else cut_quarters(test, (h, w)),
            splits.notes,
        )


def drop_classes(pictures: Pictures, dropped: tuple[str, ...]) -> Pictures:
    """Drop the pictures of some classes."""
    if pictures.labels is None or not dropped:
        return pictures
    kept = [k for k, name in enumerate(pictures.classes) if name not in dropped]
    rows = torch.isin(pictures.labels, torch.tensor(kept)).nonzero().flatten()
    labels = torch.searchsorted(torch.tensor(kept), pictures.labels[rows])
    names = tuple(pictures.classes[k] for k in kept)
    return Pictures(pictures.take(rows), labels, names, pictures.name)


def cut_crops(pictures: Pictures, size: tuple[int, int], n: int, seed: int) -> Pictures:
    """Cut n random crops of `size` from each picture, mirrored and turned at random."""
    rng = np.random.Generator(np.random.Philox(seed))
    parts: list[Tensor] = []
    for k in range(len(pictures)):
        x = pictures.take([k])[0]
        turns = can_turn(pictures, k) and size[0] == size[1]
        parts += [cut_crop(x, size, turns, rng) for _ in range(n)]
    return repeat_pictures(pictures, torch.stack(parts), n)


def cut_crop(x: Tensor, size: tuple[int, int], turns: bool, rng: np.random.Generator) -> Tensor:
    """Cut a random crop from a picture x (C, H, W)."""
    (_, H, W), (h, w) = x.shape, size
    top, left = int(rng.integers(H - h + 1)), int(rng.integers(W - w + 1))
    crop = x[:, top : top + h, left : left + w]
    if rng.random() < 0.5:
        crop = crop.flip(2)
    return torch.rot90(crop, int(rng.integers(4)), (1, 2)) if turns else crop


def can_turn(pictures: Pictures, k: int) -> bool:
    labels = pictures.labels
    return labels is not None and pictures.classes[int(labels[k])] in ISOTROPIC


def cut_quarters(pictures: Pictures, size: tuple[int, int]) -> Pictures:
    """Cut the four quarters, each of `size`, from each picture."""
    (h, w), x = size, pictures.pixels
    quarters = [x[..., i : i + h, j : j + w] for i in (0, h) for j in (0, w)]
    return repeat_pictures(pictures, torch.stack(quarters, dim=1).flatten(0, 1), 4)


def repeat_pictures(pictures: Pictures, crops: Tensor, n: int) -> Pictures:
    """Pictures of these crops (n N, C, h, w), with the labels and captions of their sources."""
    labels = None if pictures.labels is None else pictures.labels.repeat_interleave(n)
    captions = tuple(text for text in pictures.captions for _ in range(n))
    return Pictures(crops, labels, pictures.classes, pictures.name, captions)


def texture_codec(pictures: Pictures) -> VQGANConfig:
    """One code per 8x8 pixels. No layer sees more than a neighborhood, so a canvas of any size
    decodes as its windows do.
    """
    C = pictures.shape[0]
    return VQGANConfig(
        shape=pictures.shape,
        network=StridedConfig(channels=C, width=96, halvings=3, blocks=3),
        quantizer=EMAConfig(codebook_size=1024, width=32),
        perceptual=ClassifierDistance("emoji"),
        discriminator=DiscriminatorConfig(channels=C, width=32, layers=2),
        discriminator_start=0.2,  # grain matters more than the exact pixels
    )


CODEC = "textures-codec"
TEXTURES_CODEC = Recipe(
    CropReader(crops=128),
    texture_codec,
    Training(batch_size=16, learning_rate=6e-4, weight_decay=0.0, save_every=400),
    size=64,
)
TEXTURES = Recipe(
    CropReader(crops=256),
    partial(
        prior,
        network=GPTConfig(layers=4, heads=6, width=192, dropout=0.1),
        codec=CODEC,
        sampler=Ancestral(top_k=100),
    ),
    Training(batch_size=64, learning_rate=1e-3, weight_decay=0.05, ema=0.999, save_every=500),
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
)
