"""All that `smalti fetch` brings, by name: emoji, letters, textures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import numpy as np

from smalti.core.errors import UserError
from smalti.data.decode import Look, look_of
from smalti.data.downloads import fetch_debs, fetch_npm, fetch_wheel
from smalti.data.emoji import (
    CATALOGUE,
    PACKAGE,
    PICTURES,
    VERSION,
    read_catalogue,
    split_of,
)
from smalti.data.emoji_styles import STYLES, find_drawings, hold_out, is_national, style_source
from smalti.data.fetched import Fetched, Made, fetch_packs, without_leaks
from smalti.data.files import open_image
from smalti.data.gather import Progress
from smalti.data.letters import (
    PACKAGES,
    Font,
    design_groups,
    is_font,
    keep_letters,
    letter_source,
    read_fonts,
    read_licences,
    recognise,
    split_designs,
)
from smalti.data.source import Source, Split
from smalti.data.splitting import rows_of_splits
from smalti.data.textures import (
    DEB,
    SIDE,
    WHEEL,
    is_game_file,
    is_sample,
    read_game,
    read_samples,
    split_pictures,
    texture_source,
)

SIZES = (32, 64)
SEED = 0  # of the emoji's splits, which must stay what trained models know them as
LICENCE = "Noto Emoji by Google, Apache License 2.0; catalogue by emoji-data, MIT"  # its README
TEXTURE_SEED = 3  # by which free pictures are held out in their share
WHEEL_LICENCE = "scikit-image's pictures by CC0Textures and others, CC0 or public domain"


def fetch_emoji(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download Google's emoji and write the packs emoji-32 and emoji-64 into the folder `out`.

    Category is the class, name the caption, white the background.  Packs of the same version that
    lie there are left as they are.  UserError when npm is missing or fails, or the package is not
    the one that is known.
    """
    how = {"package": f"{PACKAGE}@{VERSION}", "licence": LICENCE, "seed": SEED}

    def make(folder: Path) -> Iterator[Made]:
        source, rows, bases = emoji_source(fetch_npm(f"{PACKAGE}@{VERSION}", folder, is_needed))
        for look in map(on_white, SIZES):
            yield source, look, rows, {"content": f"{bases} emoji with their variants"}

    return fetch_packs([out / f"emoji-{size}" for size in SIZES], how, make, progress)


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

    def make(folder: Path) -> Iterator[Made]:
        places = {s.name: fetch_npm(s.package, folder / s.name, s.needs) for s in STYLES}
        drawings, sides = find_drawings(places)
        flags = [one for one in drawings if is_national(one.key)]
        others = [one for one in drawings if not is_national(one.key)]
        for some, sizes in ((others, SIZES), (flags, SIZES[-1:])):
            source, rows = style_source("emoji4", some, hold_out(some, sides, SEED))
            rows = without_leaks(source, on_white(sizes[-1]), rows)
            count = len({one.emoji.caption for one in some})
            for look in map(on_white, sizes):
                yield source, look, rows, {"content": f"{count} emoji in {len(STYLES)} styles"}

    paths = [out / f"emoji4-{size}" for size in SIZES] + [out / "emoji4-flags-64"]
    return fetch_packs(paths, how, make, progress)


def on_white(size: int) -> Look:
    return look_of(size, "rgb", "white", crop=True)


def fetch_letters(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download free fonts and write the pack letters-32 into the folder `out`.

    The character is the class, the font's family the caption; white on black.  Fonts whose
    characters most others do not know are left out, and so are glyphs that are nearly the same as
    held-out ones.
    """

    def make(folder: Path) -> Iterator[Made]:
        versions = fetch_debs(PACKAGES, folder, is_font, some=True)
        packages = [version.split("=")[0] for version in versions]
        found = read_fonts(folder, packages, progress)
        fonts = [Font(package, face) for package, face in found if face is not None]
        if not fonts:
            raise UserError("none of the fonts could be read; fetch them again")
        kept = [
            letters
            for font, is_known in zip(fonts, recognise(fonts), strict=True)
            if (letters := keep_letters(font, is_known)) is not None
        ]
        source, rows = letter_source(kept, split_designs(kept, design_groups(kept)))
        look = look_of(32, "grey", "black", crop=True)
        families = len({font.family for font in kept})
        yield (
            source,
            look,
            without_leaks(source, look, rows),
            {
                "licence": read_licences(folder, packages),
                "versions": versions,
                "content": f"{len(kept)} of {len(found)} fonts in {families} families",
            },
        )

    how = {"package": list(PACKAGES), "seed": 0}
    return fetch_packs([out / "letters-32"], how, make, progress)


def fetch_textures(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download textures and write the packs textures-128 and textures-free-128 into `out`.

    The material is the class.  What the second holds may be passed on, and what learned from it.
    """

    def make(folder: Path) -> Iterator[Made]:
        versions = fetch_debs([DEB], folder, is_game_file)
        textures = read_samples(fetch_wheel(WHEEL, folder / "wheel", is_sample))
        textures += read_game(folder / DEB)
        sides, look = split_pictures(textures, TEXTURE_SEED), on_white(SIDE)
        for free in (False, True):
            chosen = [k for k, one in enumerate(textures) if one.is_free or not free]
            source, rows = texture_source([textures[k] for k in chosen], [sides[k] for k in chosen])
            game = sorted({textures[k].licence for k in chosen})
            yield (
                source,
                look,
                without_leaks(source, look, rows),
                {
                    "licence": f"{WHEEL_LICENCE}; UFO: Alien Invasion's, {', '.join(game)}",
                    "versions": [WHEEL, *versions],
                    "content": f"{len(chosen)} textures",
                },
            )

    how = {"package": [WHEEL, DEB], "seed": TEXTURE_SEED}
    paths = [out / f"textures-{SIDE}", out / f"textures-free-{SIDE}"]
    return fetch_packs(paths, how, make, progress)


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


SETS: dict[str, Callable[[Path, Progress | None], list[Fetched]]] = {
    "emoji": fetch_emoji,
    "emoji4": fetch_styles,
    "letters": fetch_letters,
    "textures": fetch_textures,
}
"""What can be fetched. Each writes its packs into a folder and describes them."""
