"""pack: pictures decoded once."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, ignore, name_progress
from smalti.core.ranges import Seed, Share
from smalti.core.size import Size
from smalti.data import Packed, size_of
from smalti.data import pack as pack_pictures
from smalti.data.decode import Colour


def pack(
    pictures: str | Path,
    out: str | Path,
    *,
    size: Size | None = None,
    crop: tuple[int, int] | None = None,
    colour: Colour = "keep",
    background: str = "white",
    squeeze: bool = False,
    skip_bad: bool = False,
    valid: Share = 0.05,
    test: Share = 0.0,
    seed: Seed = 0,
    on_progress: OnProgress = ignore,
) -> Packed:
    """Decode pictures once, into a pack to train on.

    pictures: a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: folder for the pack, or a .zip; a pack that lies there is replaced.
    size: height and width that the pictures are brought to; 32, or an older pack's own.
    crop: height and width that are cut out of the centre first; other parts are never seen.
    colour: with keep, one channel when every picture is grey, and three otherwise.
    background: what shows through transparent pixels: a colour's name or #rrggbb.
    squeeze: squeeze the whole picture into a square instead of cutting out the centre.
    skip_bad: leave out pictures that cannot be read, and name them.
    valid: part held out to choose by, where the data come without splits.
    test: part held out to measure with, where the data come without splits.
    seed: decides which pictures are held out.
    """
    if crop and squeeze:
        raise UserError("--crop and --squeeze are both given; choose one")
    return pack_pictures(
        pictures,
        out,
        size=size or size_of(pictures) or 32,
        crop=crop or not squeeze,
        colour=colour,
        background=background,
        skip_bad=skip_bad,
        valid=valid,
        test=test,
        seed=seed,
        progress=name_progress("packing", on_progress),
    )
