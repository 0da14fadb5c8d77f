"""A data set of the Hugging Face hub, by its name. Needs the extra `hub`."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.files import open_image
from smalti.data.npz import WORDS
from smalti.data.source import SPLITS, Source, lay_out

PREFIX = "hf:"
CAPTIONS = ("caption", "text", "captions")


def hub_source(path: str, *, labels: bool = True) -> Source:
    """The pictures of `hf:NAME` or `hf:NAME:CONFIG`, its splits one behind the other.

    The column of pictures and the one of classes are found by their types; words in a column
    `caption` or `text` become captions.  UserError when the package is missing, the hub cannot be
    reached or there is no such data set.
    """
    hub: Any = imported(path)
    name, _, config = path.removeprefix(PREFIX).partition(":")
    if not name:
        raise UserError(f"{path} names no data set; give hf:NAME, such as hf:ylecun/mnist")
    try:
        found = hub.load_dataset(name, config or None)
    except Exception as error:  # the hub's many kinds, none of which the package promises
        line = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be loaded: {line[:300]}") from error
    parts = split_parts(path, found)
    features = next(iter(parts.values())).features
    column = first_of(features, hub.Image)
    if column is None:
        inside = ", ".join(features) or "none"
        raise UserError(f"{path} has no column of pictures; its columns are {inside}")
    # the files as they are, so that one broken picture is one broken picture
    sets = [part.cast_column(column, hub.Image(decode=False)) for part in parts.values()]
    ends = np.cumsum([0, *map(len, sets)]).tolist()

    def opened(row: int) -> Image.Image:
        part = bisect_right(ends, row) - 1
        return as_opened(sets[part][row - ends[part]][column])

    splits = lay_out({split: len(part) for split, part in parts.items()})
    class_column = first_of(features, hub.ClassLabel) if labels else None
    numbers = None if class_column is None else column_of(sets, class_column)
    if numbers is not None and min(numbers) < 0:  # a test split whose answers are kept secret
        numbers = class_column = None
    words = next((c for c in CAPTIONS if c in features and c != class_column), None)
    captions = column_of(sets, words) if words else []
    return Source(
        name=name.rsplit("/", 1)[-1],
        titles=[f"{path} {split} {k}" for split, rows in splits.items() for k in range(len(rows))],
        opened=opened,
        labels=None if numbers is None else np.array(numbers, np.int64),
        classes=() if class_column is None else tuple(features[class_column].names),
        captions=tuple(captions) if all(isinstance(c, str) for c in captions) else (),
        splits=splits if len(splits) > 1 else {},
    )


def split_parts(path: str, found: object) -> dict[str, Any]:
    """The data set's parts under our names, train first; others are passed over."""
    if not isinstance(found, dict):
        return {"train": found}
    ours = {WORDS[name]: part for name, part in found.items() if name in WORDS}
    if "train" not in ours:
        if len(found) != 1:
            raise UserError(f"{path} has the splits {', '.join(found)}, and no train among them")
        ours = {"train": next(iter(found.values()))}
    return {split: ours[split] for split in SPLITS if split in ours and len(ours[split])}


def first_of(features: Mapping[str, object], kind: type) -> str | None:
    return next((name for name, feature in features.items() if isinstance(feature, kind)), None)


def column_of(sets: list[Any], name: str) -> list[Any]:
    return [value for part in sets for value in part[name]]


def as_opened(value: Image.Image | Mapping[str, Any]) -> Image.Image:
    """A picture as the package gives it: bytes, a path, or decoded after all."""
    if isinstance(value, Image.Image):
        return value
    if value.get("bytes") is not None:
        return open_image(io.BytesIO(value["bytes"]))
    return open_image(value["path"])


def imported(path: str) -> ModuleType:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise UserError(
            f"{path} takes the package datasets; install it by `pip install 'smalti[hub]'`"
        ) from error
