"""Emoji, brought here by npm and packed: Google's alone, or in four styles."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import look_of
from smalti.data.downloads import fetch_npm
from smalti.data.emoji import (
    CATALOGUE,
    PACKAGE,
    PICTURES,
    VERSION,
    read_catalogue,
    split_of,
)
from smalti.data.emoji_styles import (
    STYLES,
    Drawing,
    find_drawings,
    hold_out,
    is_national,
    style_source,
)
from smalti.data.fetched import Fetched, are_fetched, describe, without_leaks, write_fetched
from smalti.data.files import open_image, quiet_pillow
from smalti.data.gather import Progress
from smalti.data.source import Source, Split
from smalti.data.splitting import rows_of_splits

SIZES = (32, 64)
SEED = 0  # of the splits, which must stay what trained models know them as
LICENCE = "Noto Emoji by Google, Apache License 2.0; catalogue by emoji-data, MIT"  # its README


def fetch_emoji(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download Google's emoji and write the packs emoji-32 and emoji-64 into the folder `out`.

    Category is the class, name the caption, white the background.  Packs of the same version that
    lie there are left as they are.  UserError when npm is missing or fails, or the package is not
    the one that is known.
    """
    how = {"package": f"{PACKAGE}@{VERSION}", "licence": LICENCE, "seed": SEED}
    paths = [out / f"emoji-{size}" for size in SIZES]
    if are_fetched(paths, how):
        return [describe(path, is_new=False) for path in paths]
    with TemporaryDirectory(prefix="smalti-") as folder:
        package = fetch_npm(how["package"], Path(folder), is_needed)
        source, rows, bases = emoji_source(package)
        how["content"] = f"{bases} emoji with their variants"
        looks = [look_of(size, "rgb", "white", crop=True) for size in SIZES]
        return [
            write_fetched(path, source, look, rows, how, progress)
            for path, look in zip(paths, looks, strict=True)
        ]


def fetch_styles(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download emoji in four styles: emoji4-32, emoji4-64 and, with flags, emoji4-flags-64.

    Style is the class, name the caption, white the background.  Of two pictures that are nearly
    the same and would stand in different splits, the one to train on is left out.
    """
    if find_spec("resvg_py") is None:
        raise UserError("Fluent's drawings take resvg; run `pip install 'smalti[emoji]'`")
    how = {
        "package": [style.package for style in STYLES],
        "licence": "; ".join(dict.fromkeys(style.licence for style in STYLES)),
        "seed": SEED,
    }
    paths = [out / f"emoji4-{size}" for size in SIZES] + [out / "emoji4-flags-64"]
    if are_fetched(paths, how):
        return [describe(path, is_new=False) for path in paths]
    with TemporaryDirectory(prefix="smalti-") as folder, quiet_pillow():
        places = {
            style.name: fetch_npm(style.package, Path(folder) / style.name, style.needs)
            for style in STYLES
        }
        drawings, sides = find_drawings(places)
        flags = [one for one in drawings if is_national(one.key)]
        others = [one for one in drawings if not is_national(one.key)]
        packs = pack_styles(paths[:2], others, sides, how, progress)
        return packs + pack_styles(paths[2:], flags, sides, how, progress)


def pack_styles(
    paths: list[Path],
    drawings: list[Drawing],
    sides: Mapping[str, Split],
    how: dict[str, Any],
    progress: Progress | None,
) -> list[Fetched]:
    """Packs of the same rows, in the sizes that end their names."""
    placed = hold_out(drawings, sides, SEED)
    source, rows = style_source("emoji4", drawings, placed)
    looks = [look_of(int(path.name.rsplit("-", 1)[1]), "rgb", "white", crop=True) for path in paths]
    rows = without_leaks(source, looks[-1], rows)
    count = len({one.emoji.caption for one in drawings})
    how = {**how, "content": f"{count} emoji in {len(STYLES)} styles"}
    return [
        write_fetched(path, source, look, rows, how, progress)
        for path, look in zip(paths, looks, strict=True)
    ]


def is_needed(name: str) -> bool:
    path = PurePosixPath(name)
    return name == f"package/{CATALOGUE}" or (
        str(path.parent) == f"package/{PICTURES}" and path.suffix == ".png"
    )


def emoji_source(package: Path) -> tuple[Source, dict[Split, np.ndarray], int]:
    """The emoji of the unpacked package in the catalogue's order; rows of each split; bases."""
    emoji = read_catalogue(package)
    classes = tuple(sorted({one.category for one in emoji}))
    files = [package / PICTURES / one.image for one in emoji]
    source = Source(
        name="emoji",
        titles=[f"{PICTURES}/{one.image}" for one in emoji],
        opened=lambda k: open_image(files[k]),
        labels=np.array([classes.index(one.category) for one in emoji], np.int64),
        classes=classes,
        captions=tuple(one.caption for one in emoji),
    )
    return source, rows_of_splits(split_of(emoji, SEED)), len({one.base for one in emoji})
