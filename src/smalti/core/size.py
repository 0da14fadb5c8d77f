"""Sizes of pictures: one number for a square, or height and width."""

from __future__ import annotations

import re

from smalti.core.errors import UserError

MAX_SIDE = 16_384
Size = int | tuple[int, int]
"""Pixels of a square's side, or (H, W)."""


def normalize_size(size: object, name: str = "size") -> tuple[int, int]:
    """Convert one number (a square) or two to (H, W). UserError, naming `name`, for others."""
    values = [*size] if isinstance(size, tuple | list) else [size, size]
    sides = [s for s in values if type(s) is int and 1 <= s <= MAX_SIDE]
    if len(values) != 2 or len(sides) != 2:
        raise UserError(
            f"{name} is {repr(size)[:40]}; give pixels as one integer or as (H, W), each from 1 to "
            f"{MAX_SIDE}"
        )
    return sides[0], sides[1]


def parse_size_text(text: str, option: str = "--size") -> tuple[int, int]:
    """Parse "64" or "48x64" to (H, W). UserError, naming the option, for others."""
    found = re.fullmatch(r"(\d{1,9})(?:[xX](\d{1,9}))?", text.strip(), re.ASCII)
    sides = [int(side) for side in found.groups() if side] if found else []
    if not sides or not all(1 <= side <= MAX_SIDE for side in sides):
        raise UserError(
            f"{option} {text[:40]} is not a size; give pixels as one number or HEIGHTxWIDTH, each "
            f"from 1 to {MAX_SIDE}"
        )
    return sides[0], sides[-1]


def format_size(size: tuple[int, int]) -> str:
    """Format (H, W) as `parse_size_text` reads it."""
    height, width = size
    return str(height) if height == width else f"{height}x{width}"
