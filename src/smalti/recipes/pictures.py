"""Where recipes get pictures from: the digits in the package, or your own."""

from __future__ import annotations

from collections.abc import Callable

from smalti.core.errors import UserError
from smalti.core.size import Size, parse_size, show_size
from smalti.data import Splits, digit_pictures, read_splits


def digits_or_own(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The pictures that lie at a path, or the digits when none is given."""
    if path is None:
        return digit_splits()
    return read_splits(path, size=size, progress=progress)


def digits_only(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The digits of the package; a recipe that is tied to them takes no other data."""
    if path is not None:
        raise UserError(
            f"--data {path} is given, but this recipe is tied to the digits; leave it out"
        )
    return digit_splits()


def emoji_or_own(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The emoji as they were fetched, or the pictures that lie at a path."""
    return read_splits(path or emoji_of(size), size=size, progress=progress)


def letters_or_own(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The letters as they were fetched, or the pictures that lie at a path."""
    return read_splits(path or "letters-32", size=size, progress=progress)


def described_emoji_or_own(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The same for recipes that learn from captions. UserError when there are none to read."""
    return read_splits(path or emoji_of(size), size=size, captions=True, progress=progress)


def emoji_of(size: Size) -> str:
    """The name of the fetched emoji of a size."""
    return f"emoji-{show_size(parse_size(size))}"


def digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
