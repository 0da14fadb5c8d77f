"""Where the bits of compressed pictures go: a heat map, and the share of gray levels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from PIL import Image, ImageDraw
from torch import Tensor

COLORS = torch.tensor(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (252, 255, 164)]
)
"""Colors of equally spaced numbers of bits: dark is none."""
MARGIN, BAR_HEIGHT = 4, 12


class BitShare(NamedTuple):
    """The bits of some of the levels."""

    fraction: float
    """Fraction of the levels."""
    bits_fraction: float
    """Fraction of the bits."""
    bits_each: float
    """Bits of one such level, on average."""


def split_bits(pixels: Tensor, bits: Tensor) -> dict[str, BitShare]:
    """Split bits (N, C, H, W) by their uint8 pixels: black or white (0 or 255), and gray.

    In color these are the levels of a channel.
    """
    extreme = (pixels == 0) | (pixels == 255)
    total, parts = max(float(bits.sum()), 1e-300), {"black or white": extreme, "gray": ~extreme}
    return {
        name: BitShare(
            float(part.double().mean()),
            float(bits[part].sum()) / total,
            float(bits[part].sum()) / max(1, int(part.sum())),
        )
        for name, part in parts.items()
    }


def color_bits(bits: Tensor, most: float) -> Tensor:
    """Color bits (H, W) from 0 to `most`, dark to light: uint8 (H, W, 3)."""
    at = (bits / most).clamp(0, 1) * (len(COLORS) - 1)
    low = at.floor().long().clamp(max=len(COLORS) - 2)
    part = (at - low)[..., None]
    return ((1 - part) * COLORS[low] + part * COLORS[low + 1]).round().byte()


def draw_heat_map(
    pixels: Tensor, *bits: Tensor, columns: int = 10, scale: int = 3, most: float = 0.0
) -> Image.Image:
    """Draw pictures in rows, and below each row the bits of their pixels, one row per `bits`.

    pixels: uint8 (N, C, H, W). bits: (N, C, H, W) each; the channels are added. columns: pictures
    of a row. scale: a pixel becomes scale x scale. most: bits of the lightest color; by default 99
    of 100 pixels take fewer. The bar at the bottom is the scale.
    """
    N, _, H, W = pixels.shape
    sums = [each.sum(1) for each in bits]  # (N, H, W)
    most = most or max(
        1.0, float(torch.stack(sums).flatten().sort().values[-1 - pixels.numel() // 100])
    )
    columns = min(columns, N)
    h, w, rows = H * scale + MARGIN, W * scale + MARGIN, -(-N // columns)
    height = rows * h * (1 + len(sums)) + MARGIN + BAR_HEIGHT + MARGIN
    sheet = Image.new("RGB", (columns * w + MARGIN, height), "white")
    for n in range(N):
        left, top = MARGIN + n % columns * w, MARGIN + n // columns * h * (1 + len(sums))
        tiles = [pixels[n].permute(1, 2, 0).expand(-1, -1, 3)]
        tiles += [color_bits(each[n], most) for each in sums]
        for k, tile in enumerate(tiles):
            picture = Image.fromarray(tile.contiguous().numpy())
            enlarged = picture.resize((W * scale, H * scale), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (left, top + k * h))
    draw_bar(sheet, most, height - BAR_HEIGHT - MARGIN)
    return sheet


def draw_bar(sheet: Image.Image, most: float, top: int) -> None:
    """Draw the scale of colors, from 0 to `most` bits."""
    width = min(160, sheet.width - 2 * MARGIN - 60)
    if width < 20:
        return
    ramp = color_bits(torch.linspace(0, 1, width).expand(BAR_HEIGHT, -1), 1.0)
    sheet.paste(Image.fromarray(ramp.contiguous().numpy()), (MARGIN, top))
    label = f"0 to {most:.0f} bits"
    ImageDraw.Draw(sheet).text((MARGIN + width + 6, top), label, fill="black")
