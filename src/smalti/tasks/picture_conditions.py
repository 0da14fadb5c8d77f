"""Condition pictures of a prior: which ones a training has, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from smalti.core.errors import UserError
from smalti.core.progress import Progress, label_progress
from smalti.core.protocols import Condition
from smalti.core.size import Size, parse_size_text
from smalti.data.condition_folder import ConditionFolder
from smalti.data.pictures import Splits
from smalti.data.reading import to_absolute_path
from smalti.recipes.picture_option import PictureOption, PictureSource
from smalti.training.events import Event, Note


def choose_picture(
    source: PictureSource | None,
    codec: str | Path | None,
    size: Size | str | None,
    folder: str | Path | None,
) -> PictureOption | None:
    """The condition that these options of a training describe; None without any.

    UserError for options that do not fit together.
    """
    others = {"picture_codec": codec, "picture_size": size, "picture_data": folder}
    given = [name for name, value in others.items() if value is not None]
    if source is None and folder is not None:
        source = "given"
    if source is None:
        if given:
            raise UserError(f"{given[0]} is given without picture; say which picture it is of")
        return None
    if source not in get_args(PictureSource):
        raise UserError(f"picture is {source!r}; give {', '.join(get_args(PictureSource))}")
    size = parse_size_text(size, "picture_size") if isinstance(size, str) else size
    path = None if folder is None else to_absolute_path(str(folder))
    return PictureOption(source, None if codec is None else str(codec), size, path)


def pair_pictures(
    splits: Splits, folder: ConditionFolder | None, on_event: Callable[[Event | Progress], None]
) -> Splits:
    """The splits with the condition pictures of a folder, if there is one."""
    if folder is None:
        return splits
    paired = folder.pair_splits(splits, label_progress("reading conditions", on_event))
    for note in paired.notes[len(splits.notes) :]:
        on_event(Note(note))
    return paired


def pair_reference(
    splits: Splits,
    path: str | Path | None,
    conditions: Sequence[Condition],
    on_event: Callable[[Progress], None],
) -> Splits:
    """The pictures of an evaluation with condition pictures at a path, if one is given.

    conditions: the model's. UserError if it takes no such pictures.
    """
    if path is None:
        return splits
    given = [c for c in conditions if c.is_picture and not c.is_derived and not c.has_default]
    if not given:
        raise UserError(
            f"picture_data {path} is given, but this model takes no pictures as conditions that "
            "are given; leave it out"
        )
    folder = ConditionFolder(str(path), given[0].name, given[0].takes_labels)
    return folder.pair_splits(splits, label_progress("reading conditions", on_event))
