"""pack: decode pictures once into a pack."""

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
    unique: bool = False,
    group_by: str | None = None,
    on_progress: OnProgress = ignore_event,
) -> PackSummary:
    """Decode pictures once into a pack, a fast dataset file.

    pictures: Folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: Output folder or .zip. A pack that is there is replaced.
    size: Height and width (default: 32, or the pack's).
    crop: Height and width of a center crop, taken first. The rest of the picture is not used.
    color: Color mode. With keep, one channel if every picture is gray, else three.
    background: Color behind transparent pixels. A color's name or #rrggbb.
    stretch: Stretch pictures instead of center-cropping.
    skip_bad: Skip unreadable pictures, and list them.
    valid: Fraction for validation. Used if the data have no splits.
    test: Fraction for testing. Used if the data have no splits.
    seed: Seed of the random split.
    unique: Drop exact and near copies of other pictures.
    group_by: Pattern of file names. Pictures whose match is equal stay in one split.
    """
    if crop and stretch:
        raise UserError("--crop and --stretch are both given; choose one")
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
        unique=unique,
        group_by=group_by,
        progress=label_progress("packing", on_progress),
    )
