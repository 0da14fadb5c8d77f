"""Pictures that are not decoded yet, whatever they lie in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Literal

import numpy as np
from PIL import Image

from smalti.data.file_selection import SkippedFiles

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
ORIGIN_KEYS = ("package", "versions", "license", "content")
"""Of a fetched pack, what every pack made of it says, too."""


def make_split_ranges(counts: Mapping[str, int]) -> dict[str, range]:
    """The rows of each split, one behind the other."""
    ends = accumulate(counts.values())
    return {split: range(end - counts[split], end) for split, end in zip(counts, ends, strict=True)}


def close_nothing() -> None:
    """What a source does at its end that holds no file open."""


@dataclass(frozen=True, eq=False)
class Source:
    """N pictures in a row: each can be opened by itself, in any order and from any thread.

    Every reader makes one; reading, packing and the audit see nothing else.
    """

    name: str
    """Where the pictures come from, for logs and model cards."""
    titles: Sequence[str]
    """What a line about a picture calls it."""
    open_picture: Callable[[int], Image.Image]
    """Picture k, not yet decoded. Raises whatever it likes when the picture is faulty."""
    labels: np.ndarray | None = None
    """int64 (N,), each a place in `classes`."""
    classes: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    """One for each picture, or none at all."""
    bad_captions: tuple[str, ...] = ()
    """A line for every caption that cannot be read, and is empty therefore."""
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What else is known of every picture, such as its "style": one word for each."""
    origin: dict[str, Any] = field(default_factory=dict)
    """What a fetched pack says of where its pictures come from: `ORIGIN`."""
    splits: dict[str, range] = field(default_factory=dict)
    """The rows of the data's own splits; empty where they come without."""
    pixels: np.ndarray | None = None
    """uint8 (N, C, H, W), where the pictures are pixels already."""
    size: tuple[int, int] | None = None
    """(H, W) that they are kept in and cannot be read without; None leaves it open."""
    skipped: SkippedFiles = field(default_factory=SkippedFiles)
    """What lies there, too, and is no picture to learn from."""
    close: Callable[[], None] = close_nothing

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that whoever reads the pictures should be told."""
        lines = [f"passed over: {self.skipped}"] if str(self.skipped) else []
        if bad := self.bad_captions:
            lines.append(f"captions that cannot be read: {len(bad)}, the first: {bad[0]}")
        return tuple(lines)
