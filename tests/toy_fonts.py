"""Fonts of squares."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

LATIN = "".join(map(chr, range(33, 127)))


def write_font(path: Path, characters: str) -> Path:
    """A font whose characters are squares of different sizes; a missing one is the smallest."""
    names = [".notdef", *(f"u{ord(c):x}" for c in characters)]
    glyphs = {}
    for k, name in enumerate(names):
        pen, side = TTGlyphPen(None), 300 + 400 * k // len(names)
        pen.moveTo((0, 0))
        for point in ((0, side), (side, side), (side, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(c): f"u{ord(c):x}" for c in characters})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path
