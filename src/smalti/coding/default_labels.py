"""Default labels for pictures that are compressed without given ones."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.protocols import Batch, LikelihoodModel
from smalti.core.rng import Rng


def map_labels(
    labels: Tensor, classes: tuple[str, ...], native_classes: tuple[str, ...]
) -> Tensor | None:
    """Map the data's labels to the model's classes by name; None if a class is missing."""
    if not {*classes} <= {*native_classes}:
        return None
    return torch.tensor([native_classes.index(name) for name in classes])[labels]


def find_likeliest_classes(model: LikelihoodModel, pixels: Tensor) -> Tensor:
    """The class (n,) under which each picture takes the fewest bits. pixels: uint8 (n, C, H, W)."""
    n, pictures = len(pixels), pixels.float() / 255
    rng = Rng([0] * n)  # an exact score uses no randomness
    nats = [
        model.score(Batch(pictures, torch.full((n,), k)), rng).nats.cpu()
        for k in range(len(model.spec.classes))
    ]
    return torch.stack(nats).argmin(0)
