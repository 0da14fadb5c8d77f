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
    DiscriminatorConfig,
    EMAConfig,
    StridedConfig,
    VQGANConfig,
)
from smalti.core.errors import UserError
from smalti.core.size import Size, normalize_size
from smalti.data import Splits, read_splits
from smalti.data.pictures import Pictures
from smalti.data.textures import TILE_SIDE
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

    Training crops are at random places, mirrored at random, and turned by quarters if the class is
    isotropic; held-out ones are the four quarters of a picture.
    """

    crops: int
    """Training crops of each picture."""
    balances: bool = False
    """Whether pictures of rarer classes have more crops, so that classes have equally many."""
    turns: bool = True
    """Whether to turn crops."""
    seed: int = 0

    def __call__(
        self,
        path: str | None,
        *,
        size: Size,
        progress: Callable[[int, int], None] | None = None,
        group_by: str | None = None,
    ) -> Splits:
        h, w = normalize_size(size)
        if path is None and (2 * h, 2 * w) != (TILE_SIDE, TILE_SIDE):
            raise UserError(
                f"{PACK} gives crops of {TILE_SIDE // 2}x{TILE_SIDE // 2}, but {h}x{w} is "
                "requested; give that size, or a codec of that size"
            )
        splits = read_splits(
            path or PACK, size=(2 * h, 2 * w), progress=progress, group_by=group_by
        )
        dropped = NOT_STATIONARY if path is None else ()
        train, valid = (drop_classes(part, dropped) for part in (splits.train, splits.valid))
        test = None if splits.test is None else drop_classes(splits.test, dropped)
        return Splits(
            cut_crops(train, (h, w), self.count_crops(train), self.seed, self.turns),
            cut_quarters(valid, (h, w)),
            None if test is None else cut_quarters(test, (h, w)),
            splits.notes,
        )

    def count_crops(self, pictures: Pictures) -> list[int]:
        """Count the crops of each picture."""
        if not self.balances or pictures.labels is None:
            return [self.crops] * len(pictures)
        sizes = torch.bincount(pictures.labels)
        factors = sizes.max() / sizes[pictures.labels]
        return (self.crops * factors).round().int().tolist()


def drop_classes(pictures: Pictures, dropped: tuple[str, ...]) -> Pictures:
    """Drop the pictures of some classes."""
    if pictures.labels is None or not dropped:
        return pictures
    kept = [k for k, name in enumerate(pictures.classes) if name not in dropped]
    rows = torch.isin(pictures.labels, torch.tensor(kept)).nonzero().flatten()
    labels = torch.searchsorted(torch.tensor(kept), pictures.labels[rows])
    names = tuple(pictures.classes[k] for k in kept)
    return Pictures(pictures.take(rows), labels, names, pictures.name)


def cut_crops(
    pictures: Pictures, size: tuple[int, int], counts: list[int], seed: int, turns: bool = True
) -> Pictures:
    """Cut random crops of `size` from each picture, mirrored and turned at random.

    counts: the number of crops of each picture.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    parts: list[Tensor] = []
    for k, n in enumerate(counts):
        x = pictures.take([k])[0]
        can_turn = turns and size[0] == size[1] and is_isotropic(pictures, k)
        parts += [cut_crop(x, size, can_turn, rng) for _ in range(n)]
    return repeat_pictures(pictures, torch.stack(parts), counts)


def cut_crop(x: Tensor, size: tuple[int, int], turns: bool, rng: np.random.Generator) -> Tensor:
    """Cut a random crop from a picture x (C, H, W)."""
    (_, H, W), (h, w) = x.shape, size
    top, left = int(rng.integers(H - h + 1)), int(rng.integers(W - w + 1))
    crop = x[:, top : top + h, left : left + w]
    if rng.random() < 0.5:
        crop = crop.flip(2)
    return torch.rot90(crop, int(rng.integers(4)), (1, 2)) if turns else crop


def is_isotropic(pictures: Pictures, k: int) -> bool:
    labels = pictures.labels
    return labels is not None and pictures.classes[int(labels[k])] in ISOTROPIC


def cut_quarters(pictures: Pictures, size: tuple[int, int]) -> Pictures:
    """Cut the four quarters, each of `size`, from each picture."""
    (h, w), x = size, pictures.pixels
    quarters = [x[..., i : i + h, j : j + w] for i in (0, h) for j in (0, w)]
    return repeat_pictures(pictures, torch.stack(quarters, dim=1).flatten(0, 1), [4] * len(x))


def repeat_pictures(pictures: Pictures, crops: Tensor, counts: list[int]) -> Pictures:
    """Pictures of these crops (n, C, h, w), with the labels and captions of their sources."""
    rows = torch.repeat_interleave(torch.arange(len(pictures)), torch.tensor(counts))
    labels = None if pictures.labels is None else pictures.labels[rows]
    captions = tuple(pictures.captions[k] for k in rows.tolist()) if pictures.captions else ()
    return Pictures(crops, labels, pictures.classes, pictures.name, captions)


def texture_codec(pictures: Pictures) -> VQGANConfig:
    """One code per 4x4 pixels. No layer sees more than a neighborhood, so a canvas of any size
    decodes as its windows do.
    """
    C = pictures.shape[0]
    return VQGANConfig(
        shape=pictures.shape,
        network=StridedConfig(channels=C, width=64, halvings=2, blocks=2),
        quantizer=EMAConfig(codebook_size=512, width=32),
        perceptual_weight=0.0,  # the classifiers at hand know no materials
        discriminator=DiscriminatorConfig(channels=C, width=32, layers=2),
        discriminator_start=0.75,
    )


CODEC = "textures-codec"
TEXTURES_CODEC = Recipe(
    CropReader(crops=128),
    texture_codec,
    Training(batch_size=32, learning_rate=1e-3, weight_decay=0.0, save_every=400),
    size=64,
)
TEXTURES = Recipe(
    CropReader(crops=64, balances=True, turns=False),
    partial(
        prior,
        network=GPTConfig(layers=4, heads=4, width=128, dropout=0.0),
        codec=CODEC,
        condition_dropout=0.0,
        sampler=Ancestral(top_k=100),
    ),
    Training(
        batch_size=8,
        learning_rate=2e-3,
        warmup=100,
        weight_decay=0.05,
        ema=0.998,
        save_every=500,
    ),
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
)
