"""pack: pictures decoded once."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.core.ranges import Fraction, Seed
from smalti.core.size import Size
from smalti.data import PackSummary, read_size
from smalti.data import pack as pack_pictures
from smalti.data.decode import Color


def pack(
    pictures: str | Path,
    out: str | Path,
    *,
    size: Size | None = None,
    crop: tuple[int, int] | None = None,
    color: Color = "keep",
    background: str = "white",
    stretch: bool = False,
    skip_bad: bool = False,
    valid: Fraction = 0.05,
    test: Fraction = 0.0,
    seed: Seed = 0,
    on_progress: OnProgress = ignore_event,
) -> PackSummary:
    """Decode pictures once, into a pack to train on.

    pictures: a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: folder for the pack, or a .zip; a pack that lies there is replaced.
    size: height and width that the pictures are brought to; 32, or an older pack's own.
    crop: height and width that are cut out of the center first; other parts are never seen.
    color: with keep, one channel when every picture is gray, and three otherwise.
    background: what shows through transparent pixels: a color's name or #rrggbb.
    stretch: squeeze the whole picture into a square instead of cutting out the center.
    skip_bad: leave out pictures that cannot be read, and name them.
    valid: part held out to choose by, where the data come without splits.
    test: part held out to measure with, where the data come without splits.
    seed: decides which pictures are held out.
    """
    if crop and stretch:
        raise UserError("--crop and --squeeze are both given; choose one")
    return pack_pictures(
        pictures,
        out,
        size=size or read_size(pictures) or 32,
        crop=crop or not stretch,
        color=color,
        background=background,
        skip_bad=skip_bad,
        valid=valid,
        test=test,
        seed=seed,
        progress=label_progress("packing", on_progress),
    )
