"""Where recipes get pictures from: the digits in the package, or a folder."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.errors import UserError
from smalti.data import Splits, digit_pictures, folder

VALID = 0.05  # share of a folder that is held out


def digits_or_folder(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The pictures of a folder with a part held out, or the digits when no path is given."""
    if path is None:
        return digit_splits()
    pictures = folder(path, size=size, progress=progress)
    if len(pictures) < 2:
        raise UserError(f"{path} holds {len(pictures)} picture; training needs 2 or more")
    return Splits(*pictures.split(max(1, round(VALID * len(pictures))), seed=0))


def digits_only(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The digits of the package; a recipe that is tied to them takes no other data."""
    if path is not None:
        raise UserError(
            f"--data {path} is given, but this recipe is tied to the digits; leave it out"
        )
    return digit_splits()


def digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
