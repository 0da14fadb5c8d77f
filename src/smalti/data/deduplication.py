"""Drop pictures that repeat others, exactly or nearly, before they are split and packed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from smalti.core.messages import format_count
from smalti.data.decode import BadPicture, Preprocessing, read_picture
from smalti.data.decode_all import ProgressCallback, limit_prefetch, prefetch, select_texts
from smalti.data.duplicates import (
    Duplicates,
    PictureFingerprint,
    find_duplicates,
    fingerprint_picture,
)
from smalti.data.source import SPLITS, Source, make_split_ranges


class UniqueRows(NamedTuple):
    """The rows of a source that repeat no other."""

    rows: np.ndarray
    """int64, ascending."""
    exact: int
    """Dropped pictures that are equal to a kept one."""
    near: int
    """Dropped pictures that are nearly equal to a kept one."""

    def __str__(self) -> str:
        copies = format_count(self.exact, "exact copy", "exact copies")
        near = format_count(self.near, "near copy", "near copies")
        return f"dropped {copies} and {near}: {format_count(len(self.rows), 'picture')} are left"


def find_unique_rows(
    source: Source, preprocessing: Preprocessing, progress: ProgressCallback | None = None
) -> UniqueRows:
    """Find the rows to keep, as `find_duplicates` compares them after preprocessing.

    Of copies in predefined splits the held-out one is kept, otherwise the first. A picture that is
    near a dropped one alone stays. Pictures that cannot be read stay, too.
    """
    fingerprints: dict[int, PictureFingerprint] = {}
    rows = range(len(source))
    found = prefetch(
        partial(fingerprint_row, source, preprocessing), rows, limit_prefetch(preprocessing)
    )
    for row, fingerprint in enumerate(found):
        if fingerprint is not None:
            fingerprints[row] = fingerprint
        if progress is not None:
            progress(row + 1, len(source))
    return choose_unique(find_duplicates(fingerprints), order_by_split(source))


def fingerprint_row(
    source: Source, preprocessing: Preprocessing, row: int
) -> PictureFingerprint | None:
    """Fingerprint a picture; None if it cannot be read."""
    try:
        return fingerprint_picture(
            read_picture(source.titles[row], partial(source.open_picture, row), preprocessing)
        )
    except BadPicture:
        return None


def order_by_split(source: Source) -> list[int]:
    """All rows, those of test and validation splits first."""
    parts = [source.splits[s] for s in reversed(SPLITS) if s in source.splits]
    return [row for part in parts for row in part] or list(range(len(source)))


def choose_unique(duplicates: Duplicates, order: list[int]) -> UniqueRows:
    """Keep each row of the order that is no copy of a row kept before."""
    group = {row: rows for rows in duplicates.exact for row in rows}
    neighbors: dict[int, set[int]] = {}
    for pair in duplicates.near:  # a group of equal pictures is named by its first row
        neighbors.setdefault(pair.a, set()).add(pair.b)
        neighbors.setdefault(pair.b, set()).add(pair.a)
    kept: set[int] = set()
    kept_names: set[int] = set()
    exact = near = 0
    for row in order:
        name = group.get(row, (row,))[0]
        if name in kept_names:
            exact += 1
        elif neighbors.get(name, set()) & kept_names:
            near += 1
        else:
            kept.add(row)
            kept_names.add(name)
    return UniqueRows(np.array(sorted(kept), np.int64), exact, near)


def select_source(source: Source, rows: np.ndarray) -> Source:
    """The source with some of its rows, in ascending order; its predefined splits shrink."""
    indices = rows.tolist()
    counts = {
        s: int(((rows >= part.start) & (rows < part.stop)).sum())
        for s, part in source.splits.items()
    }
    return replace(
        source,
        titles=[source.titles[k] for k in indices],
        open_picture=lambda k: source.open_picture(indices[k]),
        labels=None if source.labels is None else source.labels[rows],
        captions=select_texts(source.captions, rows),
        attributes={k: select_texts(words, rows) for k, words in source.attributes.items()},
        file_names=select_texts(source.file_names, rows),
        splits=make_split_ranges({s: n for s, n in counts.items() if n}),
        pixels=None if source.pixels is None else source.pixels[rows],
    )
