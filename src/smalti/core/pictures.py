"""Pictures to files: grids, PNG and GIF, written whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.core.files import replace

if TYPE_CHECKING:
    from torch import Tensor


def image(picture: Tensor) -> Image.Image:
    """A picture (C, H, W) in [0, 1] as a Pillow image, grey for C = 1 and RGB for C = 3."""
    C = picture.shape[0]
    if C not in (1, 3):
        raise UserError(f"a picture of {C} channels cannot be shown; 1 (grey) or 3 (RGB) can")
    levels = (picture.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    return Image.fromarray(levels[:, :, 0] if C == 1 else levels)


def grid(
    pictures: Tensor, columns: int | None = None, pad: int = 2, scale: int | None = None
) -> Image.Image:
    """Pictures (N, C, H, W) in [0, 1] side by side on a mid-grey ground.

    columns: the square root of N by default. scale: every pixel becomes scale x scale; by default
    what brings small pictures to at least 56 pixels.
    """
    N, C, H, W = pictures.shape
    if not N:
        raise UserError("no pictures to show; give at least one")
    columns = min(columns or math.ceil(math.sqrt(N)), N)
    rows = math.ceil(N / columns)
    scale = scale or math.ceil(56 / max(H, W))
    h, w = H * scale + pad, W * scale + pad
    sheet = Image.new(
        "L" if C == 1 else "RGB",
        (columns * w + pad, rows * h + pad),
        128 if C == 1 else (128, 128, 128),
    )
    for i, picture in enumerate(pictures):
        tile = image(picture).resize((W * scale, H * scale), Image.Resampling.NEAREST)
        sheet.paste(tile, (pad + i % columns * w, pad + i // columns * h))
    return sheet


def save_png(picture: Image.Image, path: str | Path) -> Path:
    """Write a PNG under a temporary name, then rename."""
    return replace(path, lambda temporary: picture.save(temporary, format="PNG", optimize=True))


def save_gif(
    frames: Sequence[Image.Image], path: str | Path, seconds: float = 0.08, hold: float = 1.5
) -> Path:
    """Write an endless GIF; the last frame stays for `hold` seconds."""
    if not frames:
        raise UserError("no frames for a GIF; give at least one")
    durations = np.full(len(frames), round(seconds * 1000))
    durations[-1] = round(hold * 1000)

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

    return replace(path, write)
