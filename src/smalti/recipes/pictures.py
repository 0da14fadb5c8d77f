"""Where recipes get pictures from: the digits in the package, or your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smalti.core.errors import UserError
from smalti.core.size import Size, format_size, normalize_size
from smalti.data import Splits, digit_pictures, read_splits
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice, make_choices


def read_digits_or_data(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The pictures that lie at a path, or the digits when none is given."""
    if path is None:
        return load_digit_splits()
    return read_splits(path, size=size, progress=progress)


def read_digits(
    path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
) -> Splits:
    """The digits of the package; a recipe that is tied to them takes no other data."""
    if path is not None:
        raise UserError(
            f"--data {path} is given, but this recipe is tied to the digits; leave it out"
        )
    return load_digit_splits()


@dataclass(frozen=True)
class FetchedReader:
    """Reads the pictures that lie at a path, or those that were fetched under a name."""

    pack: str
    """Of the pack; {size} stands for the size that is asked for."""
    needs_captions: bool = False
    """Whether they are needed: UserError where there are none."""

    def __call__(
        self, path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
    ) -> Splits:
        source = path or self.pack.format(size=format_size(normalize_size(size)))
        return read_splits(source, size=size, captions=self.needs_captions, progress=progress)


def make_conditions(pictures: Pictures) -> tuple[Choice | CaptionConfig, ...]:
    """All that pictures tell of themselves: their classes, and their captions."""
    captions = (CaptionConfig(),) if pictures.captions else ()
    return (*make_choices(pictures.classes), *captions)


EMOJI = FetchedReader("emoji-{size}")


def load_digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
