"""The datasets of `smalti fetch`, by name: emoji, letters, textures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import numpy as np

from smalti.core.errors import MissingExtra, UserError
from smalti.data.decode import Preprocessing, make_preprocessing
from smalti.data.decode_all import ProgressCallback
from smalti.data.downloads import fetch_debs, fetch_npm, fetch_wheel
from smalti.data.emoji import (
    CATALOG_FILE,
    PACKAGE,
    PICTURES_FOLDER,
    VERSION,
    read_catalog,
    split_emoji,
)
from smalti.data.emoji_styles import (
    LARGE_STYLES,
    STYLES,
    find_drawings,
    is_national_flag,
    make_style_source,
    split_drawings,
)
from smalti.data.fetched_packs import FetchedPack, PackContents, drop_leaks, fetch_packs
from smalti.data.letters import (
    PACKAGES,
    Font,
    group_designs,
    is_font_or_license,
    keep_letters,
    make_letter_source,
    read_fonts,
    read_licenses,
    recognize_glyphs,
    split_designs,
)
from smalti.data.picture_formats import open_image
from smalti.data.source import Source, Split
from smalti.data.splitting import group_rows_by_split
from smalti.data.textures import (
    DEB,
    TILE_SIDE,
    WHEEL,
    is_game_file,
    is_sample_file,
    make_texture_source,
    read_game_textures,
    read_samples,
    split_textures,
)

EMOJI_SIZES = (32, 64)
LARGE_SIZE = 128
EMOJI_SEED = 0  # of the emoji's splits; fixed, because trained models depend on it
EMOJI_LICENSE = "Noto Emoji by Google, Apache License 2.0; catalog by emoji-data, MIT"  # its README
TEXTURE_SEED = 183  # holds out free pictures of five materials, and trains on each material
WHEEL_LICENSE = "scikit-image's pictures by CC0Textures and others, CC0 or public domain"


def fetch_emoji(out: Path, progress: ProgressCallback | None = None) -> list[FetchedPack]:
    """Download Google's emoji and write the packs emoji-32 and emoji-64 into the folder `out`.

    The category is the class, the name the caption, the background white.  Existing packs of the
    same version are kept.  Raises UserError if npm is missing or fails, or the package has
    unexpected contents.
    """
    provenance = {"package": f"{PACKAGE}@{VERSION}", "license": EMOJI_LICENSE, "seed": EMOJI_SEED}

    def make_packs(folder: Path) -> Iterator[PackContents]:
        source, rows, bases = make_emoji_source(
            fetch_npm(f"{PACKAGE}@{VERSION}", folder, is_emoji_file)
        )
        for preprocessing in map(make_white_preprocessing, EMOJI_SIZES):
            yield source, preprocessing, rows, {"content": f"{bases} emoji with their variants"}

    return fetch_packs(
        [out / f"emoji-{size}" for size in EMOJI_SIZES], provenance, make_packs, progress
    )


def fetch_styles(out: Path, progress: ProgressCallback | None = None) -> list[FetchedPack]:
    """Download emoji in four styles: emoji4-32, emoji4-64, with flags emoji4-flags-64, and larger
    fluent-128 of the two styles that are published in that size.

    The style is the class, the name the caption, the background white.  Training pictures that
    are nearly equal to held-out ones are dropped.
    """
    if find_spec("resvg_py") is None:
        raise MissingExtra("the Fluent drawings need resvg", "emoji")
    provenance = {
        "package": [style.package for style in STYLES],
        "license": "; ".join(dict.fromkeys(style.license for style in STYLES)),
        "seed": EMOJI_SEED,
    }

    def make_packs(folder: Path) -> Iterator[PackContents]:
        packages = {s.name: fetch_npm(s.package, folder / s.name, s.is_needed) for s in STYLES}
        drawings, splits = find_drawings(packages)
        flags = [one for one in drawings if is_national_flag(one.key)]
        others = [one for one in drawings if not is_national_flag(one.key)]
        assigned = split_drawings(others, splits, EMOJI_SEED)
        large = [k for k, one in enumerate(others) if one.style in LARGE_STYLES]
        for selected, assignments, sizes in (
            (others, assigned, EMOJI_SIZES),
            (flags, split_drawings(flags, splits, EMOJI_SEED), EMOJI_SIZES[-1:]),
            ([others[k] for k in large], [assigned[k] for k in large], (LARGE_SIZE,)),
        ):
            source, rows = make_style_source("emoji4", selected, assignments)
            rows = drop_leaks(source, make_white_preprocessing(EMOJI_SIZES[-1]), rows)
            count = len({one.emoji.caption for one in selected})
            styles = len({one.style for one in selected})
            for preprocessing in map(make_white_preprocessing, sizes):
                yield source, preprocessing, rows, {"content": f"{count} emoji in {styles} styles"}

    paths = [out / f"emoji4-{size}" for size in EMOJI_SIZES]
    paths += [out / "emoji4-flags-64", out / f"fluent-{LARGE_SIZE}"]
    return fetch_packs(paths, provenance, make_packs, progress)


def make_white_preprocessing(size: int) -> Preprocessing:
    return make_preprocessing(size, "rgb", "white", crop=True)


def fetch_letters(out: Path, progress: ProgressCallback | None = None) -> list[FetchedPack]:
    """Download free fonts and write the pack letters-32 into the folder `out`.

    The character is the class, the font's family the caption; white on black.  Fonts with
    unrecognizable characters are dropped, and so are training glyphs that are nearly equal to
    held-out ones.
    """

    def make_packs(folder: Path) -> Iterator[PackContents]:
        versions = fetch_debs(PACKAGES, folder, is_font_or_license, allow_missing=True)
        packages = [version.split("=")[0] for version in versions]
        found = read_fonts(folder, packages, progress)
        fonts = [Font(package, face) for package, face in found if face is not None]
        if not fonts:
            raise UserError("no font can be read; fetch them again")
        kept = [
            letters
            for font, is_known in zip(fonts, recognize_glyphs(fonts), strict=True)
            if (letters := keep_letters(font, is_known)) is not None
        ]
        source, rows = make_letter_source(kept, split_designs(kept, group_designs(kept)))
        preprocessing = make_preprocessing(32, "gray", "black", crop=True)
        families = len({font.family for font in kept})
        yield (
            source,
            preprocessing,
            drop_leaks(source, preprocessing, rows),
            {
                "license": read_licenses(folder, packages),
                "versions": versions,
                "content": f"{len(kept)} of {len(found)} fonts in {families} families",
            },
        )

    provenance = {"package": list(PACKAGES), "seed": 0}
    return fetch_packs([out / "letters-32"], provenance, make_packs, progress)


def fetch_textures(out: Path, progress: ProgressCallback | None = None) -> list[FetchedPack]:
    """Download textures and write the packs textures-128 and textures-free-128 into `out`.

    The material is the class.  The second pack, and models trained on it, may be redistributed.
    """

    def make_packs(folder: Path) -> Iterator[PackContents]:
        versions = fetch_debs([DEB], folder, is_game_file)
        textures = read_samples(fetch_wheel(WHEEL, folder / "wheel", is_sample_file))
        textures += read_game_textures(folder / DEB)
        splits, preprocessing = (
            split_textures(textures, TEXTURE_SEED),
            make_white_preprocessing(TILE_SIDE),
        )
        for free in (False, True):
            selected = [k for k, one in enumerate(textures) if one.is_free or not free]
            source, rows = make_texture_source(
                [textures[k] for k in selected], [splits[k] for k in selected]
            )
            game = sorted({textures[k].license for k in selected})
            yield (
                source,
                preprocessing,
                drop_leaks(source, preprocessing, rows),
                {
                    "license": f"{WHEEL_LICENSE}; UFO: Alien Invasion's, {', '.join(game)}",
                    "versions": [WHEEL, *versions],
                    "content": f"{len(selected)} textures",
                },
            )

    provenance = {"package": [WHEEL, DEB], "seed": TEXTURE_SEED}
    paths = [out / f"textures-{TILE_SIDE}", out / f"textures-free-{TILE_SIDE}"]
    return fetch_packs(paths, provenance, make_packs, progress)


def is_emoji_file(name: str) -> bool:
    path = PurePosixPath(name)
    return name == f"package/{CATALOG_FILE}" or (
        str(path.parent) == f"package/{PICTURES_FOLDER}" and path.suffix == ".png"
    )


def make_emoji_source(package: Path) -> tuple[Source, dict[Split, np.ndarray], int]:
    """Make a source in catalog order; returns it, the rows of each split, and the base count."""
    emoji = read_catalog(package)
    classes = tuple(sorted({one.category for one in emoji}))
    files = [package / PICTURES_FOLDER / one.file_name for one in emoji]
    source = Source(
        name="emoji",
        titles=[f"{PICTURES_FOLDER}/{one.file_name}" for one in emoji],
        open_picture=lambda k: open_image(files[k]),
        labels=np.array([classes.index(one.category) for one in emoji], np.int64),
        classes=classes,
        captions=tuple(one.caption for one in emoji),
    )
    return (
        source,
        group_rows_by_split(split_emoji(emoji, EMOJI_SEED)),
        len({one.base for one in emoji}),
    )


FETCHERS: dict[str, Callable[[Path, ProgressCallback | None], list[FetchedPack]]] = {
    "emoji": fetch_emoji,
    "emoji4": fetch_styles,
    "letters": fetch_letters,
    "textures": fetch_textures,
}
"""Datasets by name. Each function writes its packs into a folder and returns them."""
