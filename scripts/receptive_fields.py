"""Draw docs/pictures/receptive_fields.png: receptive fields of PixelCNNs and of wrong masks."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn import receptive_field
from smalti.core.pictures import make_grid, save_png

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SIZE, POSITION, SCALE = (13, 13), (8, 6, 0), 8
FIELD_COLOR, OTHER_COLOR, PIXEL_COLOR = (0.16, 0.50, 0.73), (0.93, 0.93, 0.91), (0.84, 0.37, 0.0)


def draw_field(field: Tensor) -> Tensor:
    """Draw a field (1, H, W): inputs blue, the pixel itself orange, ringed if it is an input."""
    picture = torch.tensor(OTHER_COLOR)[:, None, None].expand(3, *SIZE).clone()
    picture[:, field[0]] = torch.tensor(FIELD_COLOR)[:, None]
    picture = F.interpolate(picture[None], scale_factor=SCALE)[0]
    i, j, _ = POSITION
    ring = 2 if field[0, i, j] else 0
    square = [slice(SCALE * at + ring, SCALE * (at + 1) - ring) for at in (i, j)]
    picture[:, square[0], square[1]] = torch.tensor(PIXEL_COLOR)[:, None, None]
    picture[:, ::SCALE] = picture[:, :, ::SCALE] = 1.0
    return picture


def compute_fields() -> Tensor:
    """Columns: 1, 3 and 6 layers of 3x3. Rows: plain, gated, plain with A masks, with B masks."""
    start = receptive_field.mark_position(SIZE, 1, POSITION)
    depths = (0, 2, 5)
    rows = [
        *(receptive_field.trace_pixelcnn(start, 3, n) for n in depths),
        *(receptive_field.trace_gated_pixelcnn(start, 3, n) for n in depths),
        *(receptive_field.trace_pixelcnn(start, 3, n, ("A", "A")) for n in depths),
        *(receptive_field.trace_pixelcnn(start, 3, n, ("B", "B")) for n in depths),
    ]
    return torch.stack([draw_field(row) for row in rows])


def main() -> None:
    save_png(make_grid(compute_fields(), columns=3), PICTURES / "receptive_fields.png")


if __name__ == "__main__":
    main()
