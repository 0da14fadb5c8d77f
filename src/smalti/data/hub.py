"""Load a dataset of the Hugging Face hub by name. Needs the extra `hub`."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from smalti.core.errors import MissingExtra, UserError
from smalti.data.npz import SPLIT_NAMES
from smalti.data.picture_formats import open_image
from smalti.data.source import SPLITS, Source, make_split_ranges

HUB_PREFIX = "hf:"
CAPTION_COLUMNS = ("caption", "text", "captions")


def open_hub_source(path: str, *, labels: bool = True) -> Source:
    """Open the pictures of `hf:NAME` or `hf:NAME:CONFIG`, its splits concatenated.

    The picture and class columns are found by type; text in a column `caption` or `text` becomes
    captions.  Raises UserError if the package is missing, the hub cannot be reached or the dataset
    does not exist.
    """
    hub: Any = import_datasets(path)
    name, _, config = path.removeprefix(HUB_PREFIX).partition(":")
    if not name:
        raise UserError(f"{path} names no dataset; give hf:NAME, such as hf:ylecun/mnist")
    try:
        dataset = hub.load_dataset(name, config or None)
    except Exception as error:  # the package documents none of its exceptions
        line = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be loaded: {line[:300]}") from error
    parts = split_parts(path, dataset)
    features = next(iter(parts.values())).features
    column = find_column(features, hub.Image)
    if column is None:
        inside = ", ".join(features) or "none"
        raise UserError(f"{path} has no picture column; its columns are {inside}")
    # undecoded, so that one broken picture affects no other
    sets = [part.cast_column(column, hub.Image(decode=False)) for part in parts.values()]
    ends = np.cumsum([0, *map(len, sets)]).tolist()

    def open_picture(row: int) -> Image.Image:
        part = bisect_right(ends, row) - 1
        return open_value(sets[part][row - ends[part]][column])

    splits = make_split_ranges({split: len(part) for split, part in parts.items()})
    class_column = find_column(features, hub.ClassLabel) if labels else None
    class_numbers = None if class_column is None else read_column(sets, class_column)
    if class_numbers is not None and min(class_numbers) < 0:  # test labels are withheld
        class_numbers = class_column = None
    caption_column = next((c for c in CAPTION_COLUMNS if c in features and c != class_column), None)
    captions = read_column(sets, caption_column) if caption_column else []
    return Source(
        name=name.rsplit("/", 1)[-1],
        titles=[f"{path} {split} {k}" for split, rows in splits.items() for k in range(len(rows))],
        open_picture=open_picture,
        labels=None if class_numbers is None else np.array(class_numbers, np.int64),
        classes=() if class_column is None else tuple(features[class_column].names),
        captions=tuple(captions) if all(isinstance(c, str) for c in captions) else (),
        splits=splits if len(splits) > 1 else {},
    )


def split_parts(path: str, dataset: object) -> dict[str, Any]:
    """Map the dataset's splits to smalti's names, train first; others are ignored."""
    if not isinstance(dataset, dict):
        return {"train": dataset}
    ours = {SPLIT_NAMES[name]: part for name, part in dataset.items() if name in SPLIT_NAMES}
    if "train" not in ours:
        if len(dataset) != 1:
            raise UserError(f"{path} has the splits {', '.join(dataset)}, but no train split")
        ours = {"train": next(iter(dataset.values()))}
    return {split: ours[split] for split in SPLITS if split in ours and len(ours[split])}


def find_column(features: Mapping[str, object], kind: type) -> str | None:
    return next((name for name, feature in features.items() if isinstance(feature, kind)), None)


def read_column(sets: list[Any], name: str) -> list[Any]:
    return [value for part in sets for value in part[name]]


def open_value(value: Image.Image | Mapping[str, Any]) -> Image.Image:
    """Open a picture as the package returns it: bytes, a path, or decoded."""
    if isinstance(value, Image.Image):
        return value
    if value.get("bytes") is not None:
        return open_image(io.BytesIO(value["bytes"]))
    return open_image(value["path"])


def import_datasets(path: str) -> ModuleType:
    try:
        return import_module("datasets")
    except ImportError as error:
        raise MissingExtra(f"{path} needs the package datasets", "hub") from error
