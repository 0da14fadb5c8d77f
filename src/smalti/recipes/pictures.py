"""Where recipes get pictures from: the digits in the package, or your own."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.errors import UserError
from smalti.data import Splits, digit_pictures, read_splits


def digits_or_own(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The pictures that lie at a path, or the digits when none is given."""
    if path is None:
        return digit_splits()
    return read_splits(path, size=size, progress=progress)


def digits_only(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The digits of the package; a recipe that is tied to them takes no other data."""
    if path is not None:
        raise UserError(
            f"--data {path} is given, but this recipe is tied to the digits; leave it out"
        )
    return digit_splits()


def emoji_or_own(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The emoji as they were fetched, or the pictures that lie at a path."""
    return read_splits(path or f"emoji-{size}", size=size, progress=progress)


def described_emoji_or_own(
    path: str | None, *, size: int, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The same for recipes that learn from captions. UserError when the pictures have none."""
    splits = emoji_or_own(path, size=size, progress=progress)
    if not splits.train.captions:
        raise UserError(
            f"--data {path} has no captions, which this recipe learns from; put them into text "
            "files beside the pictures (cat.txt for cat.png)"
        )
    return splits


def digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
