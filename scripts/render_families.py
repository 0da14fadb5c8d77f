"""Compose docs/pictures/families.png, a picture of every family, of a gallery.

smalti demo --out gallery && python scripts/render_families.py gallery
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import smalti
from smalti.core.pictures import save_png, to_image
from smalti.tasks.demo_stops import SENTENCES
from smalti.translation.fonts import find_font

OUT = Path(__file__).parent.parent / "docs" / "pictures" / "families.png"
WIDTH, MARGIN, GAP = 1240, 20, 16
PANEL = (389, 236)
"""Width and height of a panel."""
PAPER, CARD, INK, SOFT = "#f6f3ed", "#fffdf9", "#22201d", "#6d675c"
TITLE_SIZE, TEXT_SIZE = 17, 19
NAME, NAME_SEEDS = "SMALTI", (3, 11, 5, 8, 2, 6)


def main() -> None:
    gallery = Path(sys.argv[1])
    panels = {
        "Diffusion": open_picture(gallery / "samples/grid.png", rows=5),
        "Diffusion in color": open_picture(gallery / "emoji/grid.png"),
        "PixelCNN: complete": open_picture(gallery / "completions/grid.png"),
        "VQ-VAE: encode, decode": open_picture(gallery / "codec/grid.png", rows=3),
        "GPT over codes": open_picture(gallery / "prior/grid.png"),
        "Textures of any size": tile(Image.open(gallery / "texture/00000.png")),
        "PatchMatch: repair": pair(gallery / "pictures/broken.png", gallery / "repair/00000.png"),
        "Compression: where bits go": open_picture(gallery / "bits.png"),
        "Translation": write_sentences(),
    }
    rows = -(-len(panels) // 3)
    top = 118
    height = top + rows * (PANEL[1] + GAP) + MARGIN - GAP
    sheet = Image.new("RGB", (WIDTH, height), PAPER)
    sheet.paste(draw_name(), (MARGIN, MARGIN))
    for k, (title, picture) in enumerate(panels.items()):
        x, y = MARGIN + k % 3 * (PANEL[0] + GAP), top + k // 3 * (PANEL[1] + GAP)
        sheet.paste(draw_panel(title, picture), (x, y))
    save_png(sheet, OUT)


def draw_name() -> Image.Image:
    """The name, in letters drawn by the model of letters, as dark ink on paper."""
    model = smalti.load("letters")
    letters = smalti.sample(model, seeds=NAME_SEEDS, cond=list(NAME))
    assert isinstance(letters, torch.Tensor)
    strip = np.asarray(to_image(torch.cat([*letters[..., 4:28]], dim=2)), float)[..., None] / 255
    paper, ink = (np.array(Image.new("RGB", (1, 1), color)) for color in (PAPER, INK))
    image = Image.fromarray((paper + strip * (ink.astype(float) - paper)).round().astype(np.uint8))
    return image.resize((image.width * 5 // 2, image.height * 5 // 2), Image.Resampling.BICUBIC)


def open_picture(path: Path, rows: int = 0) -> Image.Image:
    """Open a grid, only its first rows of 58 pixels if some are given."""
    image = Image.open(path).convert("RGB")
    return image.crop((0, 0, image.width, 58 * rows + 2)) if rows else image


def tile(image: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (3 * image.width, 2 * image.height))
    for i in range(6):
        whole.paste(image.convert("RGB"), (i % 3 * image.width, i // 3 * image.height))
    return whole


def pair(before: Path, after: Path) -> Image.Image:
    """One picture beside another."""
    left, right = (Image.open(path).convert("RGB") for path in (before, after))
    both = Image.new("RGB", (2 * left.width + 8, left.height), CARD)
    both.paste(left, (0, 0))
    both.paste(right, (left.width + 8, 0))
    return both


def write_sentences() -> Image.Image:
    """The first sentences of the tour in English and Chinese."""
    image = Image.new("RGB", (PANEL[0] - 24, PANEL[1] - 48), CARD)
    draw, y = ImageDraw.Draw(image), 6
    chinese = ImageFont.truetype(find_font("文"), TEXT_SIZE)
    english = ImageFont.load_default(TEXT_SIZE - 4)
    texts = SENTENCES[:2]
    for text, (best, *_) in zip(texts, smalti.translate("en-zh-help", texts), strict=True):
        draw.text((4, y), text, SOFT, english)
        draw.text((4, y + 26), best.text, INK, chinese)
        y += 84
    return image


def draw_panel(title: str, picture: Image.Image) -> Image.Image:
    """A card with a title, and a picture as large as fits."""
    panel = Image.new("RGB", PANEL, CARD)
    ImageDraw.Draw(panel).text((12, 9), title, INK, ImageFont.load_default(TITLE_SIZE))
    w, h = PANEL[0] - 24, PANEL[1] - 48
    scale = min(w / picture.width, h / picture.height)
    size = round(picture.width * scale), round(picture.height * scale)
    shown = picture.resize(
        size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    )
    panel.paste(shown, ((PANEL[0] - size[0]) // 2, 36 + (h - size[1]) // 2))
    return panel


if __name__ == "__main__":
    main()
