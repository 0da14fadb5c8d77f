"""Draw the letters of a font, white on black, without unusable glyphs.

Fonts claim characters that they lack, and draw capitals for small letters.  Inverted or pictorial
glyphs are found by comparison with other fonts: see `smalti.data.letters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SIDE = 32  # pixels of a glyph's picture
MARGIN = 2  # pixels that stay black on every side
SUPERSAMPLING = 4  # factor of the finer drawing that is averaged
MEASURING_FONT_SIZE = 128  # font size for measuring ink
MISSING_CHARACTERS = ("\u0378", "\uffff", "\U0010ffff")  # characters that no font has
INK_LEVEL = 32  # a pixel of at least this level is ink
PLACEHOLDER_COUNT = 4  # this many characters with one picture: it is a placeholder
DISTINCT_CAPITALS = "ABDEGHNQRT"  # capitals whose small letters have another shape
SMALL_CAPS_CORRELATION = 0.7  # mean correlation of these above which small letters are capitals
Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Face:
    """The requested characters that one font file draws."""

    family: str
    style: str
    file: str
    characters: str
    pictures: np.ndarray
    """uint8 (len(characters), SIDE, SIDE)."""


def read_face(path: Path, characters: Sequence[str] = CHARACTERS) -> Face | None:
    """Read the usable glyphs of a font file, at one scale and baseline; None if it has none."""
    try:
        font = ImageFont.truetype(path, MEASURING_FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
        inked = {c: measure_ink(font, c) for c in characters}
        missing_inks = {measure_ink(font, c)[0] for c in MISSING_CHARACTERS}
    except (OSError, ValueError):  # broken, or without outlines
        return None
    kept = find_real_characters({c: ink for c, (ink, _) in inked.items()}, missing_inks)
    boxes = {c: box for c, (_, box) in inked.items() if c in kept}
    pictures = drop_small_capitals(draw_glyphs(path, boxes)) if boxes else {}
    if not pictures:
        return None
    family, style = font.getname()
    array = np.stack([*pictures.values()])
    return Face(family or path.stem, style or "", path.name, "".join(pictures), array)


def measure_ink(font: ImageFont.FreeTypeFont, character: str) -> tuple[bytes, Box]:
    """Measure the ink of a character (empty if none) and its box relative to the baseline."""
    core, (x, y) = font.getmask2(character, mode="L", anchor="ls")
    if not min(core.size):
        return b"", (0, 0, 0, 0)
    mask = np.asarray(core, np.uint8).reshape(core.size[::-1])
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return b"", (0, 0, 0, 0)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    ink = mask[top:bottom, left:right]
    box = (x + int(left), y + int(top), x + int(right), y + int(bottom))
    return repr(ink.shape).encode() + ink.tobytes(), box


def find_real_characters(inks: dict[str, bytes], missing_inks: set[bytes]) -> set[str]:
    """Find the characters that are not blank, missing or placeholders."""
    count = Counter(inks[c] for c in {c.lower(): c for c in inks}.values())
    placeholders = {ink for ink, n in count.items() if n >= PLACEHOLDER_COUNT}
    return {c for c, ink in inks.items() if ink and ink not in missing_inks | placeholders}


def draw_glyphs(path: Path, boxes: dict[str, Box]) -> dict[str, np.ndarray]:
    """Draw uint8 (SIDE, SIDE) of each at one scale and baseline, centered horizontally."""
    top = min(box[1] for box in boxes.values())
    bottom = max(box[3] for box in boxes.values())
    width = max(box[2] - box[0] for box in boxes.values())
    scale = SUPERSAMPLING * (SIDE - 2 * MARGIN) / max(bottom - top, width)
    font = ImageFont.truetype(
        path, MEASURING_FONT_SIZE * scale, layout_engine=ImageFont.Layout.BASIC
    )
    middle = SUPERSAMPLING * SIDE / 2
    baseline = middle - scale * (top + bottom) / 2
    pictures: dict[str, np.ndarray] = {}
    for character, (left, _, right, _) in boxes.items():
        image = Image.new("L", (SUPERSAMPLING * SIDE, SUPERSAMPLING * SIDE))
        position = (middle - scale * (left + right) / 2, baseline)
        ImageDraw.Draw(image).text(position, character, fill=255, font=font, anchor="ls")
        picture = np.asarray(image.reduce(SUPERSAMPLING))
        if (picture >= INK_LEVEL).any():
            pictures[character] = picture
    return pictures


def crop_to_ink(picture: np.ndarray) -> np.ndarray:
    """Crop to the bounding box of the ink."""
    ink = picture >= INK_LEVEL
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def drop_small_capitals(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Drop small letters that are capitals, of the same or a smaller size."""
    pairs = [(c, c.lower()) for c in DISTINCT_CAPITALS if c in pictures and c.lower() in pictures]
    correlations = [correlate_glyphs(pictures[a], pictures[b]) for a, b in pairs]
    small = bool(correlations) and float(np.mean(correlations)) > SMALL_CAPS_CORRELATION
    return {
        c: p
        for c, p in pictures.items()
        if not (c.islower() and (small or are_equal(p, pictures.get(c.upper()))))
    }


def are_equal(a: np.ndarray, b: np.ndarray | None) -> bool:
    return b is not None and bool(np.array_equal(a, b))


def correlate_glyphs(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the correlation of two glyphs resized to one size, from -1 to 1."""
    x, y = (resize_ink(picture) for picture in (a, b))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / max(1e-6, np.sqrt((x * x).sum() * (y * y).sum())))


def resize_ink(picture: np.ndarray) -> np.ndarray:
    """Resize the bounding box of the ink to float (12, 12)."""
    ink = Image.fromarray((255 * (crop_to_ink(picture) >= INK_LEVEL)).astype(np.uint8))
    return np.asarray(ink.resize((12, 12), Image.Resampling.BOX), np.float64)
