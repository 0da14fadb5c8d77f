"""The data of recipes: the digits in the package, fetched packs, or your pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smalti.core.errors import UserError
from smalti.core.size import Size, format_size, normalize_size
from smalti.data import Splits, digit_pictures, read_splits
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import Choice
from smalti.recipes.selected_conditions import make_all_choices


def read_digits_or_data(
    path: str | None,
    *,
    size: Size,
    progress: Callable[[int, int], None] | None = None,
    group_by: str | None = None,
) -> Splits:
    """Read the pictures at a path, or the digits by default."""
    if path is None:
        return load_digit_splits()
    return read_splits(path, size=size, progress=progress, group_by=group_by)


def read_digits(
    path: str | None,
    *,
    size: Size,
    progress: Callable[[int, int], None] | None = None,
    group_by: str | None = None,
) -> Splits:
    """Read the digits of the package. UserError if a path is given."""
    if path is not None:
        raise UserError(
            f"--data {path} is given, but this recipe works on the digits only; leave it out"
        )
    return load_digit_splits()


@dataclass(frozen=True)
class FetchedReader:
    """Reads the pictures at a path, or a fetched pack by default."""

    pack: str
    """Name of the pack; {size} is replaced by the size."""
    needs_captions: bool = False
    """Whether captions are required: UserError if there are none."""

    def __call__(
        self,
        path: str | None,
        *,
        size: Size,
        progress: Callable[[int, int], None] | None = None,
        group_by: str | None = None,
    ) -> Splits:
        source = path or self.pack.format(size=format_size(normalize_size(size)))
        return read_splits(
            source,
            size=size,
            captions=self.needs_captions,
            progress=progress,
            group_by=group_by,
        )


def make_conditions(pictures: Pictures) -> tuple[Choice | CaptionConfig, ...]:
    """Conditions for the classes, attributes and captions that the pictures have."""
    captions = (CaptionConfig(),) if pictures.captions else ()
    return (*make_all_choices(pictures), *captions)


EMOJI = FetchedReader("emoji-{size}")


def load_digit_splits() -> Splits:
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))
