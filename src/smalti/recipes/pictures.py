"""Where recipes get pictures from: the digits in the package, or your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smalti.core.errors import UserError
from smalti.core.size import Size, parse_size, show_size
from smalti.data import Splits, digit_pictures, read_splits
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.layers.conditions import Choice, named_choice


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


@dataclass(frozen=True)
class FetchedOrOwn:
    """Reads the pictures that lie at a path, or those that were fetched under a name."""

    name: str
    """Of the pack; {size} stands for the size that is asked for."""
    captions: bool = False
    """Whether they are needed: UserError where there are none."""

    def __call__(
        self, path: str | None, *, size: Size, progress: Callable[[int, int], None] | None = None
    ) -> Splits:
        place = path or self.name.format(size=show_size(parse_size(size)))
        return read_splits(place, size=size, captions=self.captions, progress=progress)


def list_conditions(pictures: Pictures) -> tuple[Choice | CaptionConfig, ...]:
    """All that pictures tell of themselves: their classes, and their captions."""
    captions = (CaptionConfig(),) if pictures.captions else ()
    return (*named_choice(pictures.classes), *captions)


EMOJI = FetchedOrOwn("emoji-{size}")


def digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
