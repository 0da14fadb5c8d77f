"""Draw docs/pictures/receptive_fields.png: what PixelCNNs see, and what other masks would."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn import receptive_field as reach
from smalti.core.pictures import make_grid, save_png

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SIZE, PLACE, SCALE = (13, 13), (8, 6, 0), 8
SEEN, LATER, ITSELF = (0.16, 0.50, 0.73), (0.93, 0.93, 0.91), (0.84, 0.37, 0.0)


def draw_field(field: Tensor) -> Tensor:
    """A field (1, H, W) as a picture: seen blue, the pixel itself orange, ringed if it is seen."""
    picture = torch.tensor(LATER)[:, None, None].expand(3, *SIZE).clone()
    picture[:, field[0]] = torch.tensor(SEEN)[:, None]
    picture = F.interpolate(picture[None], scale_factor=SCALE)[0]
    i, j, _ = PLACE
    ring = 2 if field[0, i, j] else 0
    square = [slice(SCALE * at + ring, SCALE * (at + 1) - ring) for at in (i, j)]
    picture[:, square[0], square[1]] = torch.tensor(ITSELF)[:, None, None]
    picture[:, ::SCALE] = picture[:, :, ::SCALE] = 1.0
    return picture


def compute_fields() -> Tensor:
    """By columns 1, 3 and 6 layers of 3x3; rows plain, gated, plain of A masks, of B masks."""
    start = reach.mark_position(SIZE, 1, PLACE)
    depths = (0, 2, 5)
    rows = [
        *(reach.trace_pixelcnn(start, 3, n) for n in depths),
        *(reach.trace_gated_pixelcnn(start, 3, n) for n in depths),
        *(reach.trace_pixelcnn(start, 3, n, ("A", "A")) for n in depths),
        *(reach.trace_pixelcnn(start, 3, n, ("B", "B")) for n in depths),
    ]
    return torch.stack([draw_field(row) for row in rows])


def main() -> None:
    save_png(make_grid(compute_fields(), columns=3), PICTURES / "receptive_fields.png")


if __name__ == "__main__":
    main()
