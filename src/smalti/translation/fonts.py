"""Finding an installed font with the characters of a text, such as Chinese ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from smalti.core.errors import UserError

FOLDERS = [
    "~/.local/share/fonts",
    "~/.fonts",
    "/usr/local/share/fonts",
    "/usr/share/fonts",
    "~/Library/Fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    os.path.join(os.environ.get("WINDIR", r"C:\Windows"), "Fonts"),
]
"""Where Linux, macOS and Windows keep fonts."""
PREFERRED = ("notosanscjk", "sourcehansans", "wqy", "pingfang", "hiragino", "msyh", "droidsans")
"""Beginnings of the names of fonts to try first."""
ABSENT = "\U0010ffff"
"""A character that no font has: its picture is what a font draws instead of those it lacks."""


def find_font(text: str) -> Path:
    """Find an installed font with all characters of a text.

    Raises UserError, naming a package to install, if there is none.
    """
    characters = sorted({c for c in text if not c.isspace()})
    for path in list_fonts(tuple(FOLDERS)):
        if has_characters(path, characters):
            return path
    raise UserError(
        "no installed font has the Chinese characters of the picture; install one, for example "
        "Debian's package fonts-wqy-microhei or fonts-noto-cjk"
    )


@cache
def list_fonts(folders: tuple[str, ...]) -> list[Path]:
    """List the fonts of these folders, preferred ones first."""
    return sorted(walk_fonts(folders), key=lambda path: (rank_font(path), path.name))


def walk_fonts(folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        for parent, _, names in os.walk(os.path.expanduser(folder)):
            for name in names:
                if name.lower().endswith((".ttf", ".ttc", ".otf")):
                    yield Path(parent, name)


def rank_font(path: Path) -> int:
    name = path.name.lower().replace("-", "")
    return next((k for k, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))


def has_characters(path: Path, characters: Iterable[str]) -> bool:
    """Whether a font file can be read and has a picture for each character."""
    try:
        font = ImageFont.truetype(str(path), 16, layout_engine=ImageFont.Layout.BASIC)
        absent = draw_character(font, ABSENT)
        return all(draw_character(font, c) != absent for c in characters)
    except OSError:
        return False


def draw_character(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    picture = Image.new("L", (24, 24))
    ImageDraw.Draw(picture).text((0, 0), character, 255, font)
    return picture.tobytes()
