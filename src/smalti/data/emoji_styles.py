"""One emoji drawn in several styles: where each style comes from, and what is held out of it.

Skin tones are left out: half of all pictures would show people's hands.  National flags, nearly
the same in every style, stand apart from all others.
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
from smalti.data.emoji import CATALOGUE, PACKAGE, VERSION, Emoji, read_catalogue, split_of
from smalti.data.files import open_image
from smalti.data.source import Source, Split
from smalti.data.splitting import rows_of_splits, shuffled

HELD_STYLE = {"valid": 0.04, "test": 0.18}  # parts of the emoji of which one style is held out
SVG_SIDE = 256  # pixels that a drawing is rendered at; packs are smaller
JOINED = {0xFE0F, 0xE007F}  # code points that some packages write and others do not
NATIONAL = range(0x1F1E6, 0x1F200)  # letters of which two are a country
REGION = 0xE0067  # the tag that begins England, Scotland and Wales

Opener = Callable[[], Image.Image]
HeldOut = Literal["", "emoji", "style"]


@dataclass(frozen=True)
class Style:
    """Where one style of emoji comes from."""

    name: str
    package: str
    """As npm knows it: NAME@VERSION."""
    licence: str
    needed: tuple[str, ...]
    """Folders and files of the package that are unpacked."""
    pictures: Callable[[Path], dict[str, Opener]]
    """The pictures of the unpacked package, by `key_of` their code points."""

    def needs(self, member: str) -> bool:
        path = PurePosixPath(member)
        return str(path) in self.needed or str(path.parent) in self.needed


@dataclass(frozen=True)
class Drawing:
    """One emoji in one style."""

    emoji: Emoji
    key: str
    """Of its code points."""
    style: str
    opened: Opener


def key_of(code: str) -> str:
    """Code points as every package's are: "1f3f4-e0067_fe0f" and "0023-20E3" without frills."""
    points = [int(point, 16) for point in re.split("[-_]", code)]
    return "-".join(f"{point:x}" for point in points if point not in JOINED)


def is_national(key: str) -> bool:
    points = [int(point, 16) for point in key.split("-")]
    return points[0] in NATIONAL or REGION in points


def files_in(folder: str, package: Path) -> dict[str, Opener]:
    """Picture files that are named by their code points."""
    paths = sorted((package / folder).iterdir())
    return {key_of(path.stem): partial(open_image, path) for path in paths}


def drawings_in(package: Path) -> dict[str, Opener]:
    """The SVG drawings of one of Iconify's packages."""
    icons = json.loads((package / "icons.json").read_text())
    names = json.loads((package / "chars.json").read_text())
    return {key_of(code): partial(rendered, icons, name) for code, name in names.items()}


def rendered(icons: Mapping[str, Any], name: str) -> Image.Image:
    """A drawing, transparent around it."""
    icon = icons["icons"][name]
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{icon["body"]}</svg>'
    return Image.open(io.BytesIO(bytes(rasterize(svg))), formats=["PNG"])


def rasterize(svg: str) -> bytes:
    from resvg_py import svg_to_bytes  # cairosvg draws many of these wrongly

    return svg_to_bytes(svg_string=svg, width=SVG_SIDE, height=SVG_SIDE, skip_system_fonts=True)


STYLES = (
    Style(
        "noto", f"{PACKAGE}@{VERSION}", "Noto Emoji by Google, Apache License 2.0",
        (f"package/{CATALOGUE}", "package/img/google/64"), partial(files_in, "img/google/64"),
    ),
    Style(
        "twemoji", f"emoji-datasource-twitter@{VERSION}",
        "Twemoji by Twitter and other contributors, CC BY 4.0",
        ("package/img/twitter/64",), partial(files_in, "img/twitter/64"),
    ),
    Style(
        "fluent-3d", "@lobehub/fluent-emoji-3d@1.1.0", "Fluent Emoji by Microsoft, MIT",
        ("package/assets",), partial(files_in, "assets"),
    ),
    Style(
        "fluent-flat", "@iconify-json/fluent-emoji-flat@1.2.6", "Fluent Emoji by Microsoft, MIT",
        ("package/icons.json", "package/chars.json"), drawings_in,
    ),
)  # fmt: skip


def find_drawings(packages: Mapping[str, Path]) -> tuple[list[Drawing], dict[str, Split]]:
    """All emoji in all styles, style by style in the catalogue's order; each base's split.

    packages: the unpacked package of every style.  The splits are those of `emoji-64`, so that
    what its models never saw is held out here, too.
    """
    catalogue = read_catalogue(packages["noto"])
    sides = dict(zip((one.base for one in catalogue), split_of(catalogue), strict=True))
    plain = [one for one in catalogue if not has_tone(one) and one.category != "Component"]
    names = read_names(packages["fluent-flat"])
    keys = [key_of(Path(one.image).stem) for one in plain]
    plain = [
        replace(one, caption=names.get(key, one.caption))
        for one, key in zip(plain, keys, strict=True)
    ]
    drawings: list[Drawing] = []
    for style in STYLES:
        try:
            found = style.pictures(packages[style.name])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{style.package} is not as it was known: {error}") from error
        drawings += [
            Drawing(one, key, style.name, found[key])
            for one, key in zip(plain, keys, strict=True)
            if key in found
        ]
    return drawings, sides


def has_tone(emoji: Emoji) -> bool:
    return emoji.caption.endswith("skin tone") and "," in emoji.caption


def read_names(package: Path) -> dict[str, str]:
    """How people call the emoji, from Iconify: "red heart", of which Unicode says "heavy black"."""
    path = package / "chars.json"
    try:
        names = json.loads(path.read_text())
        return {key_of(code): name.replace("-", " ") for code, name in names.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} does not name the emoji: {error}") from error


def hold_out(
    drawings: list[Drawing], sides: Mapping[str, Split], seed: int
) -> list[tuple[Split, HeldOut]]:
    """The split of each drawing, and why: all styles of an emoji are held out, or one of them.

    Of the emoji to train on that come in every style, `HELD_STYLE` says how many have one style
    held out, each style in turn.
    """
    styles = [style.name for style in STYLES]
    drawn: dict[str, set[str]] = {}
    for one in drawings:
        drawn.setdefault(one.emoji.base, set()).add(one.style)
    whole = [b for b in sorted(drawn) if sides[b] == "train" and drawn[b] == set(styles)]
    order = shuffled(len(whole), seed).tolist()
    valid = round(HELD_STYLE["valid"] * len(whole))
    count = valid + round(HELD_STYLE["test"] * len(whole))
    held: dict[tuple[str, str], Split] = {
        (whole[k], styles[place % len(styles)]): "valid" if place < valid else "test"
        for place, k in enumerate(order[:count])
    }
    return [placed(one, sides, held) for one in drawings]


def placed(
    one: Drawing, sides: Mapping[str, Split], held: Mapping[tuple[str, str], Split]
) -> tuple[Split, HeldOut]:
    side = sides[one.emoji.base]
    if side != "train":
        return side, "emoji"
    split = held.get((one.emoji.base, one.style))
    return (split, "style") if split else ("train", "")


def style_source(
    name: str, drawings: list[Drawing], placed: Iterable[tuple[Split, HeldOut]]
) -> tuple[Source, dict[Split, np.ndarray]]:
    """The drawings with their style as class and their name as caption; the rows of each split.

    Their attributes are "style", "category", "base" (equal for an emoji's variants) and "held_out":
    "emoji" for one that no style of is trained on, "style" where others are, "" for training.
    """
    sides, why = zip(*placed, strict=True)
    styles = tuple(style.name for style in STYLES)
    source = Source(
        name=name,
        titles=[f"{one.style}/{one.emoji.caption}" for one in drawings],
        opened=lambda k: drawings[k].opened(),
        labels=np.array([styles.index(one.style) for one in drawings], np.int64),
        classes=styles,
        captions=tuple(one.emoji.caption for one in drawings),
        attributes={
            "style": tuple(one.style for one in drawings),
            "category": tuple(one.emoji.category for one in drawings),
            "base": tuple(one.emoji.base for one in drawings),
            "held_out": why,
        },
    )
    return source, rows_of_splits(sides)
