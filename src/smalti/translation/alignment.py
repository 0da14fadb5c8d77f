"""What of a sentence the decoder looks at for each symbol: weights, and a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from smalti.layers.eval_mode import eval_mode
from smalti.translation.fonts import find_font
from smalti.translation.kv_cache import KVCache
from smalti.translation.model import Translator
from smalti.translation.tokenizer import BOS, pad_sequences

CELL, GAP, FONT_SIZE = 30, 8, 16
"""Pixels of a cell's side, beside labels, and of a letter."""
DARKEST = (8, 48, 107)
"""Color of a weight of 1; 0 is white."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Cross-attention of the decoder's last layer, averaged over heads."""

    source: list[str]
    """Symbols of the source, with </s>."""
    target: list[str]
    """Symbols of the translation, with </s>."""
    weights: Tensor
    """(target, source), rows sum to 1: what was looked at to choose each symbol."""


@torch.no_grad()
def align(model: Translator, source: str, target: str) -> Alignment:
    """Align a translation, the model's or another, with its source: one sentence each."""
    sides = (model.source_tokenizer, source), (model.target_tokenizer, target)
    (before,), (after,) = (tokenizer.encode([text]) for tokenizer, text in sides)
    pieces = [
        [piece.replace("\u2581", " ").strip() or " " for piece in tokenizer.list_pieces(text)]
        for tokenizer, text in sides
    ]
    rows = []
    with eval_mode(model):
        cache = KVCache(model.network, pad_sequences([before]).to(model.device))
        cache.keeps_attention = True
        for symbol in [BOS, *after[:-1]]:
            cache.append(torch.tensor([symbol], device=model.device))
            rows.append(cache.attention[0])
    return Alignment([*pieces[0], "</s>"], [*pieces[1], "</s>"], torch.stack(rows).cpu())


def draw_alignments(alignments: Sequence[Alignment], font: Path | None = None) -> Image.Image:
    """Draw alignments below each other, sources in columns and translations in rows.

    font: a font with all characters. Default: an installed one; UserError if none has them.
    """
    words = [word for one in alignments for word in (*one.source, *one.target)]
    chosen = str(font or find_font("".join(words)))
    letters = ImageFont.truetype(chosen, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    pictures = [draw_alignment(one, letters) for one in alignments]
    size = max(p.width for p in pictures), sum(p.height for p in pictures)
    sheet, top = Image.new("RGB", size, "white"), 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def draw_alignment(alignment: Alignment, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draw one alignment."""
    left, top = (
        2 * GAP + max(int(font.getlength(word)) for word in words)
        for words in (alignment.target, alignment.source)
    )
    rows, columns = alignment.weights.shape
    size = (left + CELL * columns + GAP + 1, top + CELL * rows + GAP + 1)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for k, word in enumerate(alignment.source):
        label = Image.new("RGB", (top - GAP, CELL), "white")
        ImageDraw.Draw(label).text((0, CELL // 2), word, "black", font, anchor="lm")
        picture.paste(label.rotate(90, expand=True), (left + CELL * k, 0))
    for i, word in enumerate(alignment.target):
        middle = top + CELL * i + CELL // 2
        draw.text((left - GAP, middle), word, "black", font, anchor="rm")
        for k, weight in enumerate(alignment.weights[i].tolist()):
            color = tuple(round(255 + (dark - 255) * weight) for dark in DARKEST)
            x, y = left + CELL * k, top + CELL * i
            draw.rectangle((x, y, x + CELL, y + CELL), color, outline=(214, 214, 214))
    return picture
