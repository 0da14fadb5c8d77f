"""Emoji in several styles: their sources and splits.

Skin tones are excluded: half of all pictures would be people.  National flags, nearly equal in
every style, are a separate dataset.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.emoji import CATALOG_FILE, PACKAGE, VERSION, Emoji, read_catalog, split_emoji
from smalti.data.picture_formats import open_image
from smalti.data.source import Source, Split
from smalti.data.splitting import draw_permutation, group_rows_by_split

HELD_OUT_STYLE_SHARES = {"valid": 0.04, "test": 0.18}
"""Fractions of the emoji of which one style is held out."""
SVG_SIDE = 256  # pixels of a rendered drawing; packs are smaller
OPTIONAL_POINTS = {0xFE0F, 0xE007F}  # code points that only some packages write
REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)  # two of these are a country
REGION_TAG = 0xE0067  # first tag of England, Scotland and Wales

Opener = Callable[[], Image.Image]
HeldOutReason = Literal["", "emoji", "style"]


@dataclass(frozen=True)
class Style:
    """The source of one style of emoji."""

    name: str
    package: str
    """npm's NAME@VERSION."""
    license: str
    needed_paths: tuple[str, ...]
    """Folders and files of the package to unpack."""
    list_pictures: Callable[[Path], dict[str, Opener]]
    """Lists the pictures of the unpacked package by normalized code points."""

    def is_needed(self, member: str) -> bool:
        path = PurePosixPath(member)
        return str(path) in self.needed_paths or str(path.parent) in self.needed_paths


@dataclass(frozen=True)
class Drawing:
    """One emoji in one style."""

    emoji: Emoji
    key: str
    """Normalized code points."""
    style: str
    open_picture: Opener


def normalize_code(code: str) -> str:
    """Normalize code points such as "1f3f4-e0067_fe0f" or "0023-20E3" to one format."""
    points = [int(point, 16) for point in re.split("[-_]", code)]
    return "-".join(f"{point:x}" for point in points if point not in OPTIONAL_POINTS)


def is_national_flag(key: str) -> bool:
    points = [int(point, 16) for point in key.split("-")]
    return points[0] in REGIONAL_INDICATORS or REGION_TAG in points


def list_picture_files(folder: str, package: Path) -> dict[str, Opener]:
    """List picture files that are named by their code points."""
    paths = sorted((package / folder).iterdir())
    return {normalize_code(path.stem): partial(open_image, path) for path in paths}


def list_svg_drawings(package: Path) -> dict[str, Opener]:
    """List the SVG drawings of an Iconify package."""
    icons = json.loads((package / "icons.json").read_text())
    names = json.loads((package / "chars.json").read_text())
    return {normalize_code(code): partial(render_icon, icons, name) for code, name in names.items()}


def render_icon(icons: Mapping[str, Any], name: str) -> Image.Image:
    """Render an icon on a transparent background."""
    icon = icons["icons"][name]
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>'
    return Image.open(io.BytesIO(bytes(rasterize(svg))), formats=["PNG"])


def rasterize(svg: str) -> bytes:
    from resvg_py import svg_to_bytes  # cairosvg renders many of these wrongly

    return svg_to_bytes(svg_string=svg, width=SVG_SIDE, height=SVG_SIDE, skip_system_fonts=True)


STYLES = (
    Style(
        "noto", f"{PACKAGE}@{VERSION}", "Noto Emoji by Google, Apache License 2.0",
        (f"package/{CATALOG_FILE}", "package/img/google/64"),
        partial(list_picture_files, "img/google/64"),
    ),
    Style(
        "twemoji", f"emoji-datasource-twitter@{VERSION}",
        "Twemoji by Twitter and other contributors, CC BY 4.0",
        ("package/img/twitter/64",), partial(list_picture_files, "img/twitter/64"),
    ),
    Style(
        "fluent-3d", "@lobehub/fluent-emoji-3d@1.1.0", "Fluent Emoji by Microsoft, MIT",
        ("package/assets",), partial(list_picture_files, "assets"),
    ),
    Style(
        "fluent-flat", "@iconify-json/fluent-emoji-flat@1.2.6", "Fluent Emoji by Microsoft, MIT",
        ("package/icons.json", "package/chars.json"), list_svg_drawings,
    ),
)  # fmt: skip

LARGE_STYLES = ("fluent-3d", "fluent-flat")
"""Styles that are published larger than 64x64."""


def find_drawings(packages: Mapping[str, Path]) -> tuple[list[Drawing], dict[str, Split]]:
    """List all emoji in all styles, by style in catalog order; and the split of each base.

    packages: the unpacked package of every style.  The splits are those of `emoji-64`, so its
    held-out emoji are held out here as well.
    """
    catalog = read_catalog(packages["noto"])
    splits = dict(zip((one.base for one in catalog), split_emoji(catalog), strict=True))
    plain = [one for one in catalog if not has_skin_tone(one) and one.category != "Component"]
    names = read_names(packages["fluent-flat"])
    keys = [normalize_code(Path(one.file_name).stem) for one in plain]
    plain = [
        replace(one, caption=names.get(key, one.caption))
        for one, key in zip(plain, keys, strict=True)
    ]
    drawings: list[Drawing] = []
    for style in STYLES:
        try:
            found = style.list_pictures(packages[style.name])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{style.package} has unexpected contents: {error}") from error
        drawings += [
            Drawing(one, key, style.name, found[key])
            for one, key in zip(plain, keys, strict=True)
            if key in found
        ]
    return drawings, splits


def has_skin_tone(emoji: Emoji) -> bool:
    return emoji.caption.endswith("skin tone") and "," in emoji.caption


def read_names(package: Path) -> dict[str, str]:
    """Read common names from Iconify: "red heart" for Unicode's "heavy black heart"."""
    path = package / "chars.json"
    try:
        names = json.loads(path.read_text())
        return {normalize_code(code): name.replace("-", " ") for code, name in names.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} does not name the emoji: {error}") from error


def split_drawings(
    drawings: list[Drawing], splits: Mapping[str, Split], seed: int
) -> list[tuple[Split, HeldOutReason]]:
    """Choose the split of each drawing, and the reason: the emoji or one style is held out.

    `HELD_OUT_STYLE_SHARES` of the training emoji that exist in every style have one style held
    out, cycling through the styles.
    """
    styles = [style.name for style in STYLES]
    drawn: dict[str, set[str]] = {}
    for one in drawings:
        drawn.setdefault(one.emoji.base, set()).add(one.style)
    whole = [b for b in sorted(drawn) if splits[b] == "train" and drawn[b] == set(styles)]
    order = draw_permutation(len(whole), seed).tolist()
    valid = round(HELD_OUT_STYLE_SHARES["valid"] * len(whole))
    count = valid + round(HELD_OUT_STYLE_SHARES["test"] * len(whole))
    held_out: dict[tuple[str, str], Split] = {
        (whole[k], styles[i % len(styles)]): "valid" if i < valid else "test"
        for i, k in enumerate(order[:count])
    }
    return [assign_split(one, splits, held_out) for one in drawings]


def assign_split(
    drawing: Drawing, splits: Mapping[str, Split], held_out: Mapping[tuple[str, str], Split]
) -> tuple[Split, HeldOutReason]:
    base_split = splits[drawing.emoji.base]
    if base_split != "train":
        return base_split, "emoji"
    split = held_out.get((drawing.emoji.base, drawing.style))
    return (split, "style") if split else ("train", "")


def make_style_source(
    name: str, drawings: list[Drawing], assignments: Iterable[tuple[Split, HeldOutReason]]
) -> tuple[Source, dict[Split, np.ndarray]]:
    """Make a source with style as class and name as caption; and the rows of each split.

    Attributes are "style", "category", "base" (equal for an emoji's variants) and "held_out":
    "emoji" if no style of it is trained on, "style" if other styles are, "" for training.
    """
    splits, reasons = zip(*assignments, strict=True)
    present = {one.style for one in drawings}
    styles = tuple(style.name for style in STYLES if style.name in present)
    source = Source(
        name=name,
        titles=[f"{one.style}/{one.emoji.caption}" for one in drawings],
        open_picture=lambda k: drawings[k].open_picture(),
        labels=np.array([styles.index(one.style) for one in drawings], np.int64),
        classes=styles,
        captions=tuple(one.emoji.caption for one in drawings),
        attributes={
            "style": tuple(one.style for one in drawings),
            "category": tuple(one.emoji.category for one in drawings),
            "base": tuple(one.emoji.base for one in drawings),
            "held_out": reasons,
        },
    )
    return source, group_rows_by_split(splits)
