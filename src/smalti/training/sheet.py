"""The picture that every save leaves: samples of the model, or what its codes make of pictures."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from smalti.core.drawing import draw_batches
from smalti.core.given import Given
from smalti.core.pictures import grid
from smalti.core.protocols import Batch, Dataset

GRID = 64  # pictures on a grid


def sheet_of(
    model: Any, parts: int, train: Dataset, valid: Dataset, device: torch.device
) -> Image.Image | None:
    """Samples; of a codec pairs, each picture left of what came back. None for other models.

    parts: into how many the batch had to be split, for memory.
    """
    if hasattr(model, "stream") and model.spec.output == "picture":
        return grid(drawn(model, GRID // parts or 1, read_captions(valid) or read_captions(train)))
    if not hasattr(model, "decode"):
        return None
    x = first_batch(valid if len(valid) else train, GRID // 2).require_pictures()
    again = torch.cat([model.reconstruct(part.to(device)).cpu() for part in x.split(8)])
    pairs = torch.stack([x, again], dim=1).flatten(0, 1)
    return grid(pairs, columns=8)


def first_batch(data: Dataset, n: int) -> Batch:
    return data.batch(torch.arange(min(n, len(data))), torch.device("cpu"))


def read_captions(data: Dataset) -> list[str]:
    return first_batch(data, GRID).text or [] if len(data) else []


def drawn(model: Any, at_once: int, captions: list[str]) -> torch.Tensor:
    """Samples for a grid; not more at once than fit where the batch had to be split.

    A model that draws what is described gets the captions in turn.
    """
    told = captions if "text" in model.spec.given else ()
    text = [told[k % len(told)] for k in range(GRID)] if told else None
    return draw_batches(model, range(GRID), Given(text=text), batch=at_once).pictures
