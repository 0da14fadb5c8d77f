"""Condition pictures in a folder of their own, matched to pictures by file name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import torch

from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.data.decode import make_label_preprocessing, make_preprocessing
from smalti.data.decode_all import MemoryWriter, ProgressCallback, decode_into
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import open_source


class ConditionFolder(NamedTuple):
    """A folder or an archive with a condition picture for each picture, of the same path.

    Suffixes may differ: masks/day/3.png is the condition of photos/day/3.jpg.
    """

    path: str
    condition: str = "picture"
    """Name of the condition."""
    is_label_map: bool = False
    """Whether gray levels and palette indices are labels, which are read as they are."""

    def pair_splits(self, splits: Splits, progress: ProgressCallback | None = None) -> Splits:
        """Return the splits with condition pictures, cropped and resized as the pictures are.

        UserError if the pictures have no file names, or if one has no condition picture.
        """
        parts = [part for part in (splits.train, splits.valid, splits.test) if part is not None]
        names = [name for part in parts for name in part.file_names]
        if len(names) < sum(map(len, parts)):
            raise UserError(
                f"{splits.train.name} has no file names to match with those in {self.path}; "
                "give the pictures as a folder or an archive of files (--data)"
            )
        H, W = splits.train.shape[1:]
        how = make_preprocessing((H, W), "keep", "white", crop=True)
        how = make_label_preprocessing((H, W)) if self.is_label_map else how
        with open_source(self.path, labels=False) as source:
            rows = find_rows(names, source.file_names, self.path)
            unused = len(source) - len(np.unique(rows))
            writer = MemoryWriter(len(rows))
            decode_into(source, rows, how, writer, progress=progress)
            pixels = torch.from_numpy(writer.to_array())
            found = Pictures(pixels, None, (), source.name)
        ends = np.cumsum([0, *map(len, parts)]).tolist()
        paired = [
            replace(part, conditions={self.condition: found.select(slice(a, b), "condition")})
            for part, a, b in zip(parts, ends, ends[1:], strict=False)
        ]
        note = f"{format_count(unused, 'picture')} in {self.path} without a counterpart, not used"
        notes = (*splits.notes, note) if unused else splits.notes
        return Splits(paired[0], paired[1], paired[2] if len(paired) > 2 else None, notes)


def find_rows(names: Sequence[str], available: Sequence[str], path: str) -> np.ndarray:
    """Find the row of each name among those available, whose suffixes may differ: int64.

    UserError for the first name that is missing, or of which there are two.
    """
    if not available:
        raise UserError(f"{path} has no file names to match; give a folder or an archive of files")
    exact = {name: row for row, name in enumerate(available)}
    stems: dict[str, list[int]] = {}
    for row, name in enumerate(available):
        stems.setdefault(strip_suffix(name), []).append(row)
    rows, missing = [], []
    for name in names:
        found = [exact[name]] if name in exact else stems.get(strip_suffix(name), [])
        if len(found) > 1:
            both = " and ".join(available[row] for row in found[:2])
            raise UserError(f"{path} has {both} for {name}; leave one of them")
        rows += found
        missing += [name] * (not found)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{path} has no picture for {missing[0]}{more}; add one of the same name for each"
        )
    return np.array(rows, np.int64)


def strip_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
