"""Pictures that stand in a set twice: the same pixels, or nearly.

Nearly the same are two whose perceptual hashes (64 bits, from a picture's lowest frequencies)
differ in a few bits, and whose small versions look alike, too: hashes know nothing of colour.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from smalti.core.brief import brief
from smalti.data.arrays import as_image

BITS = 6  # hashes of near pictures differ in no more
LEVELS = 12.0  # nor do their small versions, of 256 levels, by root mean square
THUMB = 16
PLAIN = 2.0  # a picture whose levels spread less is one colour, and its hash is chance
BLOCK = 1024  # hashes compared with all others at a time
MOST = 100_000  # pairs that are listed


@dataclass(frozen=True)
class Print:
    """By what a picture is known again."""

    digest: bytes
    """Of its pixels."""
    hash: int
    """Perceptual, 64 bits."""
    thumb: np.ndarray
    """uint8 (3, THUMB, THUMB)."""
    is_plain: bool
    """All of one colour."""


@dataclass(frozen=True)
class Pair:
    """Two rows that are nearly the same."""

    a: int
    b: int
    bits: int
    """By which their hashes differ."""
    levels: float
    """By which their small versions differ, root mean square of 256."""


@dataclass(frozen=True)
@brief
class Duplicates:
    """What stands in a set twice."""

    exact: tuple[tuple[int, ...], ...]
    """Rows of equal pixels, in groups of two or more, each in ascending order."""
    near: tuple[Pair, ...]
    """Pairs that are nearly equal, the nearest first; of a group in `exact` only its first row."""
    plain: int
    """Pictures of one colour, which are compared for equality alone."""
    is_complete: bool = True
    """False when there are more pairs than are listed."""

    @property
    def copies(self) -> int:
        """How many pictures repeat the pixels of one before them."""
        return sum(len(group) - 1 for group in self.exact)

    def near_rows(self) -> set[int]:
        return {row for pair in self.near for row in (pair.a, pair.b)}


def print_of(pixels: np.ndarray) -> Print:
    """pixels: uint8 (C, H, W), C being 1 or 3."""
    import imagehash

    image = as_image(pixels)
    bits = np.packbits(imagehash.phash(image).hash.ravel())
    thumb = image.convert("RGB").resize((THUMB, THUMB), Image.Resampling.BOX)
    spread = pixels.reshape(len(pixels), -1).std(axis=1).max()
    head = repr(pixels.shape).encode()
    return Print(
        digest=hashlib.blake2b(head + pixels.tobytes(), digest_size=16).digest(),
        hash=int.from_bytes(bits.tobytes(), "big"),
        thumb=np.asarray(thumb).transpose(2, 0, 1),
        is_plain=bool(spread < PLAIN),
    )


def find_duplicates(prints: Mapping[int, Print]) -> Duplicates:
    """Among pictures, given by their rows. Seconds for tens of thousands."""
    exact = equal_rows({row: one.digest for row, one in prints.items()})
    copies = {row for group in exact for row in group[1:]}
    rows = [row for row, one in prints.items() if row not in copies and not one.is_plain]
    hashes = np.array([prints[k].hash for k in rows], np.uint64)
    thumbs = np.array([prints[k].thumb.ravel() for k in rows], np.uint8)  # (N, D)
    pairs, is_complete = near_pairs(hashes, thumbs)
    near = (Pair(rows[p.a], rows[p.b], p.bits, p.levels) for p in pairs)
    return Duplicates(
        exact=exact,
        near=tuple(sorted(near, key=lambda p: (p.levels, p.a, p.b))),
        plain=sum(one.is_plain for one in prints.values()),
        is_complete=is_complete,
    )


def equal_rows(digests: Mapping[int, bytes]) -> tuple[tuple[int, ...], ...]:
    """Groups of two or more rows with one digest, by their first row."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in digests.items():
        groups[digest].append(row)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def near_pairs(hashes: np.ndarray, thumbs: np.ndarray) -> tuple[list[Pair], bool]:
    """All a < b whose hashes (N,) and small versions (N, D) are near, and whether these are all."""
    pairs: list[Pair] = []
    for start in range(0, len(hashes), BLOCK):
        block, rest = hashes[start : start + BLOCK], hashes[start:]
        bits = np.bitwise_count(block[:, None] ^ rest)  # (block, rest)
        a, b = np.nonzero(bits <= BITS)
        later = b > a
        a, b = a[later], b[later]
        for k in range(0, len(a), 10 * BLOCK):
            i, j = a[k : k + 10 * BLOCK], b[k : k + 10 * BLOCK]
            apart = thumbs[start + i].astype(np.float32) - thumbs[start + j]
            levels = np.sqrt(np.square(apart).mean(axis=1))
            for m in np.flatnonzero(levels <= LEVELS).tolist():
                bit = int(bits[i[m], j[m]])
                pairs.append(Pair(int(start + i[m]), int(start + j[m]), bit, float(levels[m])))
            if len(pairs) >= MOST:
                return pairs[:MOST], False
    return pairs, True


def leaks(duplicates: Duplicates, splits: Mapping[str, Iterable[int]]) -> tuple[Pair, ...]:
    """Pairs that stand in two splits: what is held out would be known by heart.

    splits: the rows of each, any container of them.  Equal pictures give a pair for each copy.
    """
    side = {int(row): split for split, rows in splits.items() for row in rows}
    equal = (
        Pair(group[0], row, 0, 0.0) for group in duplicates.exact for row in across(group, side)
    )
    near = (p for p in duplicates.near if side.get(p.a) != side.get(p.b))
    return (*equal, *near)


def across(group: tuple[int, ...], side: dict[int, str]) -> list[int]:
    """The rows of a group that stand in another split than its first."""
    return [row for row in group[1:] if side.get(row) != side.get(group[0])]
