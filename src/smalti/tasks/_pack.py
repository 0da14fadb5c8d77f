"""pack: pictures decoded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, ignore, name_progress
from smalti.core.size import Size
from smalti.data import Packed, size_of
from smalti.data import pack as pack_pictures


def pack(
    pictures: str | Path,
    out: str | Path,
    *,
    size: Size | None = None,
    crop: tuple[int, int] | None = None,
    squeeze: bool = False,
    on_progress: OnProgress = ignore,
    **how: Any,
) -> Packed:
    """Decode pictures once, into a pack to train on.

    out: a folder, or a file that ends in .zip; a pack that lies there is replaced.
    size: height and width that the pictures are brought to; None for an older pack's own, or 32.
    crop: height and width that are cut out of the centre first; squeeze: nothing is cut off.
    how: colour, background, skip_bad, valid, test, seed, as in `smalti.data.pack`.
    """
    if crop and squeeze:
        raise UserError("--crop and --squeeze are both given; choose one")
    return pack_pictures(
        pictures,
        out,
        size=size or size_of(pictures) or 32,
        crop=crop or not squeeze,
        progress=name_progress("packing", on_progress),
        **how,
    )
