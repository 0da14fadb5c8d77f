"""Write pictures to files atomically: grids, PNG and GIF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.core.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor


def to_image(picture: Tensor) -> Image.Image:
    """Convert a picture (C, H, W) in [0, 1] to a PIL image: gray for C = 1, RGB for C = 3."""
    C = picture.shape[0]
    if C not in (1, 3):
        raise UserError(f"the picture has {C} channels; give 1 (gray) or 3 (RGB)")
    levels = (picture.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(levels[:, :, 0] if C == 1 else levels)


def make_grid(
    pictures: Tensor, columns: int | None = None, padding: int = 2, scale: int | None = None
) -> Image.Image:
    """Arrange pictures (N, C, H, W) in [0, 1] in a grid on a mid-gray background.

    columns: default is the square root of N. scale: every pixel becomes scale x scale; by default
    small pictures are enlarged to at least 56 pixels.
    """
    N, C, H, W = pictures.shape
    if not N:
        raise UserError("no pictures to show; give at least one")
    columns = min(columns or math.ceil(math.sqrt(N)), N)
    rows = math.ceil(N / columns)
    scale = scale or math.ceil(56 / max(H, W))
    h, w = H * scale + padding, W * scale + padding
    sheet = Image.new(
        "L" if C == 1 else "RGB",
        (columns * w + padding, rows * h + padding),
        128 if C == 1 else (128, 128, 128),
    )
    for i, picture in enumerate(pictures):
        tile = to_image(picture).resize((W * scale, H * scale), Image.Resampling.NEAREST)
        sheet.paste(tile, (padding + i % columns * w, padding + i // columns * h))
    return sheet


def save_png(picture: Image.Image, path: str | Path) -> Path:
    """Write a PNG file atomically."""
    return write_atomically(
        path, lambda temporary: picture.save(temporary, format="PNG", optimize=True)
    )


def save_gif(
    frames: Sequence[Image.Image],
    path: str | Path,
    frame_seconds: float = 0.08,
    last_frame_seconds: float = 1.5,
) -> Path:
    """Write an endless GIF; the last frame is shown for `last_frame_seconds` seconds."""
    if not frames:
        raise UserError("no frames for a GIF; give at least one")
    durations = np.full(len(frames), round(frame_seconds * 1000))
    durations[-1] = round(last_frame_seconds * 1000)

    def write(temporary: Path) -> None:
        first, *rest = frames
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=rest,
            loop=0,
            duration=durations.tolist(),
            optimize=True,
        )

    return write_atomically(path, write)
