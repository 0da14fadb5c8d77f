"""Decode all pictures of a source, with prefetching, into one array."""

from __future__ import annotations

import math
import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import torch

from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.data.attributes import make_attributes
from smalti.data.decode import BadPicture, Preprocessing, read_picture
from smalti.data.pictures import Pictures
from smalti.data.source import Source

THREADS = 2  # decoders release the GIL
PREFETCH = 64  # pictures decoded ahead
PREFETCH_BYTES = 1 << 28  # fewer if they are large
ProgressCallback = Callable[[int, int], None]
T = TypeVar("T")
U = TypeVar("U")


class PictureWriter(Protocol):
    """Appends pictures to an array; gray until the first colored one."""

    def append(self, picture: np.ndarray) -> None:
        """Append a picture, uint8 (C, H, W)."""
        ...


class MemoryWriter:
    """An array in memory, of at most `capacity` pictures."""

    def __init__(self, capacity: int):
        self.capacity, self.count = capacity, 0
        self.buffer: np.ndarray = np.empty((0, 1, 0, 0), np.uint8)

    def append(self, picture: np.ndarray) -> None:
        if not self.count:
            check_memory(self.capacity, picture.shape)
            self.buffer = np.empty((self.capacity, *picture.shape), np.uint8)
        if len(picture) > self.buffer.shape[1]:
            self.buffer = np.repeat(self.buffer, len(picture), axis=1)
        self.buffer[self.count] = picture
        self.count += 1

    def to_array(self) -> np.ndarray:
        """Return uint8 (count, C, H, W)."""
        return self.buffer[: self.count]


def check_memory(n: int, shape: tuple[int, ...]) -> None:
    """Raise UserError if n pictures of a shape (C, H, W) exceed this machine's memory."""
    needed = n * math.prod(shape)
    if not hasattr(os, "sysconf"):
        return  # the memory size is unknown
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > available:
        raise UserError(
            f"{n} pictures of {shape[1]} x {shape[2]} take {needed / 1e9:.1f} GB of memory, but "
            f"this machine has {available / 1e9:.1f} GB; give a smaller size, or use `smalti pack`"
        )


@dataclass(frozen=True)
class KeptRows:
    """Which rows of a source were decoded."""

    rows: np.ndarray
    """int64, the source's rows in the order of the array."""
    bad: tuple[BadPicture, ...]
    """Pictures that were skipped."""


def decode_into(
    source: Source,
    rows: np.ndarray,
    preprocessing: Preprocessing,
    writer: PictureWriter,
    *,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
) -> KeptRows:
    """Decode the source's pictures of the given rows into a writer.

    Raises UserError if some cannot be used, unless skip_bad, naming the first and their number;
    and if the pictures differ in size when the preprocessing has none.
    """
    kept: list[int] = []
    bad: list[BadPicture] = []
    shape: tuple[int, ...] = ()
    with closing(decode_rows(source, rows, preprocessing)) as pictures:
        for done, (row, picture) in enumerate(zip(rows.tolist(), pictures, strict=True), 1):
            if isinstance(picture, BadPicture):
                bad.append(picture)
            elif skip_bad or not bad:  # otherwise the rest is only counted
                shape = shape or picture.shape[1:]
                if picture.shape[1:] != shape:
                    raise _make_size_error(source, row, picture, kept[0], shape)
                writer.append(picture)
                kept.append(row)
            if progress is not None:
                progress(done, len(rows))
    if bad and not (skip_bad and kept):
        raise UserError(summarize_bad(bad, len(rows))) from bad[0]
    return KeptRows(np.array(kept, np.int64), tuple(bad))


def decode_rows(
    source: Source, rows: np.ndarray, preprocessing: Preprocessing
) -> Generator[np.ndarray | BadPicture, None, None]:
    """Yield uint8 (C, H, W) of every row, or its error."""
    array = source.pixels
    if preprocessing.color == "keep" and array is not None and array.shape[1] == 3:
        preprocessing = replace(preprocessing, color="rgb")  # arrays keep their channels
    yield from prefetch(
        partial(_decode_row, source, preprocessing), rows.tolist(), limit_prefetch(preprocessing)
    )


def limit_prefetch(preprocessing: Preprocessing) -> int:
    """Return how many pictures to decode ahead."""
    H, W = preprocessing.size or (4096, 4096)
    return max(THREADS, min(PREFETCH, PREFETCH_BYTES // (3 * H * W)))


def _decode_row(source: Source, preprocessing: Preprocessing, row: int) -> np.ndarray | BadPicture:
    try:
        picture = read_picture(source.titles[row], partial(source.open_picture, row), preprocessing)
    except BadPicture as error:
        return error
    if preprocessing.color == "rgb" and len(picture) == 1:
        return np.repeat(picture, 3, axis=0)
    return picture


def prefetch(function: Callable[[T], U], items: Iterable[T], limit: int = PREFETCH) -> Iterator[U]:
    """Yield function(item) for every item in order, computing ahead in other threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: deque[Future[U]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= limit:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def load_pictures(
    source: Source,
    preprocessing: Preprocessing,
    *,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
) -> tuple[Pictures, KeptRows]:
    """Load all pictures of a source; pixels that are already preprocessed are not copied.

    With skip_bad, a warning names the skipped pictures.
    """
    rows = np.arange(len(source))
    array, kept = source.pixels, KeptRows(rows, ())
    if array is None or not is_preprocessed(array, preprocessing):
        writer = MemoryWriter(len(source))
        kept = decode_into(
            source, rows, preprocessing, writer, skip_bad=skip_bad, progress=progress
        )
        array = writer.to_array()
    if kept.bad:
        warnings.warn(f"skipped: {summarize_bad(kept.bad, len(rows))}", stacklevel=3)
    return make_pictures(source, kept.rows, array), kept


def is_preprocessed(array: np.ndarray, preprocessing: Preprocessing) -> bool:
    """Whether pixels (N, C, H, W) already have this size and color."""
    C, H, W = array.shape[1:]
    channels = {"keep": (1, 3), "gray": (1,), "rgb": (3,)}[preprocessing.color]
    return C in channels and preprocessing.size in (None, (H, W))


def make_pictures(source: Source, rows: np.ndarray, pixels: np.ndarray) -> Pictures:
    """Combine pixels (N, C, H, W) with the labels, captions and attributes of the given rows."""
    labels = None if source.labels is None else torch.from_numpy(source.labels[rows])
    captions, names = select_texts(source.captions, rows), select_texts(source.file_names, rows)
    return Pictures(
        torch.from_numpy(pixels),
        labels,
        source.classes,
        source.name,
        captions,
        file_names=names,
        attributes=make_attributes(source.attributes, rows),
    )


def select_texts(texts: Sequence[str], rows: np.ndarray) -> tuple[str, ...]:
    """The texts of these rows; none if there are none."""
    return tuple(texts[int(k)] for k in rows) if texts else ()


def summarize_bad(bad: Iterable[BadPicture], total: int) -> str:
    """Say how many pictures cannot be used, and the first error."""
    first, *others = map(str, bad)
    n_bad = 1 + len(others)
    if n_bad == 1:
        return f"1 of {format_count(total, 'picture')} cannot be used: {first}"
    return f"{n_bad} of {format_count(total, 'picture')} cannot be used, the first: {first}"


def _make_size_error(
    source: Source, row: int, picture: np.ndarray, first: int, shape: tuple[int, ...]
) -> UserError:
    (h, w), (H, W) = picture.shape[1:], shape
    other = source.titles[first].rsplit("/", 1)[-1]
    return UserError(
        f"{source.titles[row]} is {w} x {h} pixels, but {other} is {W} x {H}; "
        "give a size, such as 32, to resize all to"
    )
