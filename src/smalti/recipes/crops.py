"""Crops of pictures, as training data of models that draw any size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.size import Size, normalize_size
from smalti.data import Splits, read_splits
from smalti.data.pictures import Pictures

PACK_SIDE = 128
"""Height and width of the packs that are cropped by default."""
ISOTROPIC = ("carpet", "concrete", "dirt", "grass", "gravel", "leaves", "pavement", "tile")
"""Materials that look alike after a quarter turn; bricks and planks do not."""


@dataclass(frozen=True)
class CropReader:
    """Reads pictures twice as large as the model's, and cuts crops of its size.

    Training crops are at random places, mirrored at random, and turned by quarters if the class is
    isotropic; held-out ones are the four quarters of a picture.
    """

    pack: str
    """A pack of PACK_SIDE, read by default."""
    crops: int
    """Training crops of each picture."""
    dropped: tuple[str, ...] = ()
    """Classes of that pack that are left out."""
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
        if path is None and (2 * h, 2 * w) != (PACK_SIDE, PACK_SIDE):
            raise UserError(
                f"{self.pack} gives crops of {PACK_SIDE // 2}x{PACK_SIDE // 2}, but {h}x{w} is "
                "requested; give that size, or a codec of that size"
            )
        splits = read_splits(
            path or self.pack, size=(2 * h, 2 * w), progress=progress, group_by=group_by
        )
        dropped = self.dropped if path is None else ()
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
