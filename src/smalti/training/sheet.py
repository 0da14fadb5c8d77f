"""The picture that every save leaves: samples of the model, or what its codes make of pictures."""

from __future__ import annotations

import torch
from PIL import Image
from torch import nn

from smalti.core.drawing import draw_batches
from smalti.core.given import Given
from smalti.core.pictures import grid
from smalti.core.protocols import Batch, Codec, Dataset, Generative

GRID = 64  # pictures on a grid


def sheet_of(
    model: nn.Module, parts: int, train: Dataset, valid: Dataset, device: torch.device
) -> Image.Image | None:
    """Samples; of a codec pairs, each picture left of what came back. None for other models.

    parts: into how many the batch had to be split, for memory.
    """
    if isinstance(model, Generative) and model.spec.output == "picture":
        return grid(drawn(model, GRID // parts or 1, read_captions(valid) or read_captions(train)))
    if not isinstance(model, Codec):
        return None
    x = first_batch(valid if len(valid) else train, GRID // 2).require_pictures()
    codes, size = [model.encode(part.to(device)) for part in x.split(8)], (x.shape[2], x.shape[3])
    again = torch.cat([model.decode(some, size).cpu() for some in codes])
    pairs = torch.stack([x, again], dim=1).flatten(0, 1)
    return grid(pairs, columns=8)


def first_batch(data: Dataset, n: int) -> Batch:
    return data.batch(torch.arange(min(n, len(data))), torch.device("cpu"))


def read_captions(data: Dataset) -> list[str]:
    return first_batch(data, GRID).text or [] if len(data) else []


def drawn(model: Generative, at_once: int, captions: list[str]) -> torch.Tensor:
    """Samples for a grid; not more at once than fit where the batch had to be split.

    A model that draws what is described gets the captions in turn.
    """
    told = captions if "text" in model.spec.given else ()
    text = [told[k % len(told)] for k in range(GRID)] if told else None
    return draw_batches(model, range(GRID), Given(text=text), batch=at_once).pictures
