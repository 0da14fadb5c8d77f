"""Infer splits and classes of pictures from their folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from smalti.data.file_selection import FileSelection
from smalti.data.metadata import fill_captions, read_metadata
from smalti.data.picture_formats import escape_name, find_classes
from smalti.data.sidecar import read_captions
from smalti.data.source import SPLITS, Source, Split, close_nothing, make_split_ranges

SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FolderLayout:
    """N pictures in order: train, then valid, then test."""

    order: list[int]
    """Indices into the given paths."""
    labels: np.ndarray | None = None
    """int64 (N,), in the new order."""
    classes: tuple[str, ...] = ()
    splits: dict[str, range] = field(default_factory=dict)
    """The rows of each split; empty if the folders are not splits."""


def infer_layout(paths: Sequence[tuple[str, ...]], *, labels: bool = True) -> FolderLayout:
    """Infer splits and classes from the parts of every picture's path.

    If all pictures are in folders named like splits (train and at least one of valid, val,
    test ...), those are the splits, and the folders below them may be classes.
    """
    folders = {parts[0] for parts in paths if len(parts) > 1}
    named = {name: SPLIT_FOLDERS.get(name.lower()) for name in folders}
    folder_splits = set(named.values())
    splits: dict[str, range] = {}
    order = list(range(len(paths)))
    if all(len(p) > 1 for p in paths) and None not in folder_splits and {"train"} < folder_splits:
        picture_splits = [named[parts[0]] for parts in paths]
        order = [k for split in SPLITS for k in order if picture_splits[k] == split]
        splits = make_split_ranges({s: n for s in SPLITS if (n := picture_splits.count(s))})
        paths = [parts[1:] for parts in paths]
    numbers, classes = find_classes([paths[k] for k in order]) if labels else (None, ())
    return FolderLayout(
        order, None if numbers is None else np.array(numbers, np.int64), classes, splits
    )


def make_file_source(
    files: FileSelection,
    name: str,
    format_title: Callable[[tuple[str, ...]], str],
    open_picture: Callable[[tuple[str, ...]], Image.Image],
    *,
    strip_components: int = 0,
    labels: bool = True,
    close: Callable[[], None] = close_nothing,
) -> Source:
    """Make a source of the selected pictures of a folder or an archive.

    format_title, open_picture: map a path to its title and its picture.
    strip_components: number of leading folders of every path to ignore.
    """
    paths = [entry.parts for entry in files.pictures]
    folders = infer_layout([parts[strip_components:] for parts in paths], labels=labels)
    paths = [paths[k] for k in folders.order]
    texts = [files.captions.get(parts) for parts in paths]
    captions, bad_captions = read_captions(
        (format_title(text.parts), text.read) if text else ("", None) for text in texts
    )
    metadata = read_metadata(files.tables, paths, name)
    return Source(
        name=escape_name(name),
        titles=[format_title(parts) for parts in paths],
        open_picture=lambda k: open_picture(paths[k]),
        file_names=["/".join(parts[strip_components:]) for parts in paths],
        labels=folders.labels,
        classes=folders.classes,
        captions=fill_captions(captions, metadata.captions),
        bad_captions=bad_captions,
        attributes=metadata.attributes,
        splits=folders.splits,
        skipped=files.skipped,
        close=close,
    )
