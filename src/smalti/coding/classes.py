"""Under which classes pictures are compressed or completed, where nobody says."""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch import Tensor

from smalti.core.given import Given
from smalti.core.protocols import Batch, Position, Symbols
from smalti.core.rng import Rng


def mapped(labels: Tensor, classes: tuple[str, ...], own: tuple[str, ...]) -> Tensor | None:
    """Labels of the data's classes as the model's own, by name; None where one is missing."""
    if not {*classes} <= {*own}:
        return None
    return torch.tensor([own.index(name) for name in classes])[labels]


def likeliest(model: Any, pixels: Tensor) -> Tensor:
    """(n,) the class under which each picture takes the fewest bits. pixels: uint8 (n, C, H, W)."""
    n, pictures = len(pixels), pixels.float() / 255
    rng = Rng([0] * n)  # an exact score draws nothing
    nats = [
        model.score(Batch(pictures, torch.full((n,), k)), rng).nats.cpu()
        for k in range(len(model.spec.classes))
    ]
    return torch.stack(nats).argmin(0)


@torch.no_grad()
def told_by(model: Any, known: Tensor, mask: Tensor) -> Tensor:
    """(K,) how probable each class is, given what comes before the first hole in raster order.

    known: (C, H, W) in [0, 1]; mask: (H, W), true where there is a hole. All classes are as
    probable as each other beforehand.
    """
    K, W = len(model.spec.classes), mask.shape[1]
    levels = model.levels.encode(known.cpu())
    end = int(mask.flatten().cpu().long().argmax())  # pixels before the first hole
    nats = torch.zeros(K, dtype=torch.float64)

    def choose(at: Position, symbols: Symbols) -> Tensor:
        i, j, c = at
        x = levels[c, i, j]
        if i * W + j < end:
            nats.sub_(symbols.logits[:, x].cpu())
        return x.expand(K)

    rows = model.walk(choose, K, Given(labels=torch.arange(K)))
    for _ in islice(rows, -(-end // W)):
        pass
    return (-nats).softmax(0)
