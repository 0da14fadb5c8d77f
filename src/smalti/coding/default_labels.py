"""Under which classes pictures are compressed, where nobody says."""

from __future__ import annotations

import torch
from torch import Tensor

from smalti.core.protocols import Batch, LikelihoodModel
from smalti.core.rng import Rng


def map_labels(
    labels: Tensor, classes: tuple[str, ...], native_classes: tuple[str, ...]
) -> Tensor | None:
    """Labels of the data's classes as the model's own, by name; None where one is missing."""
    if not {*classes} <= {*native_classes}:
        return None
    return torch.tensor([native_classes.index(name) for name in classes])[labels]


def find_likeliest_classes(model: LikelihoodModel, pixels: Tensor) -> Tensor:
    """(n,) the class under which each picture takes the fewest bits. pixels: uint8 (n, C, H, W)."""
    n, pictures = len(pixels), pixels.float() / 255
    rng = Rng([0] * n)  # an exact score draws nothing
    nats = [
        model.score(Batch(pictures, torch.full((n,), k)), rng).nats.cpu()
        for k in range(len(model.spec.classes))
    ]
    return torch.stack(nats).argmin(0)
