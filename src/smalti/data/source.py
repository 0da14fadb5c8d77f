"""Sources of undecoded pictures, of any format."""

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
"""Record entries of a fetched pack that packs made from it inherit."""


def make_split_ranges(counts: Mapping[str, int]) -> dict[str, range]:
    """Make contiguous row ranges from the number of pictures of each split."""
    ends = accumulate(counts.values())
    return {split: range(end - counts[split], end) for split, end in zip(counts, ends, strict=True)}


def close_nothing() -> None:
    """The `close` of a source without open files."""


@dataclass(frozen=True, eq=False)
class Source:
    """N pictures that can be opened in any order and from any thread.

    Every reader makes one; reading, packing and the audit use it.
    """

    name: str
    """The origin of the pictures, for logs and model cards."""
    titles: Sequence[str]
    """The name of each picture in messages."""
    open_picture: Callable[[int], Image.Image]
    """Opens picture k, undecoded. May raise any exception for a faulty picture."""
    labels: np.ndarray | None = None
    """int64 (N,), indices into `classes`."""
    classes: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    """One per picture, or empty."""
    bad_captions: tuple[str, ...] = ()
    """One message per caption that cannot be read and is therefore empty."""
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Further values of every picture by name, such as "style"."""
    origin: dict[str, Any] = field(default_factory=dict)
    """Provenance of a fetched pack; see `ORIGIN_KEYS`."""
    splits: dict[str, range] = field(default_factory=dict)
    """The rows of predefined splits; empty if there are none."""
    pixels: np.ndarray | None = None
    """uint8 (N, C, H, W) if the pictures are already decoded."""
    size: tuple[int, int] | None = None
    """(H, W) of a pack, the only size that it can be read at; None otherwise."""
    skipped: SkippedFiles = field(default_factory=SkippedFiles)
    """Files that were skipped."""
    close: Callable[[], None] = close_nothing
    file_names: Sequence[str] = ()
    """The path of each picture inside its folder or archive; empty for other formats."""

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user."""
        lines = [f"skipped: {self.skipped}"] if str(self.skipped) else []
        if bad := self.bad_captions:
            lines.append(f"captions that cannot be read: {len(bad)}, the first: {bad[0]}")
        return tuple(lines)
