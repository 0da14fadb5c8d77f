"""Pictures that stand in a set twice: the same pixels, or nearly.

Nearly the same are two whose perceptual hashes (64 bits, from a picture's lowest frequencies)
differ in a few bits, and whose small versions look alike, too: hashes know nothing of color.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from smalti.core.short_repr import add_short_repr
from smalti.data.arrays import to_pil_image

MAX_HASH_DISTANCE = 6  # hashes of near pictures differ in no more
MAX_RMS_DIFFERENCE = 12.0  # nor do their small versions, of 256 levels, by root mean square
THUMB_SIDE = 16
SINGLE_COLOR_STD = 2.0  # a picture whose levels spread less is one color, and its hash is chance
BLOCK = 1024  # hashes compared with all others at a time
MAX_PAIRS = 100_000  # pairs that are listed


@dataclass(frozen=True)
class PictureFingerprint:
    """By what a picture is known again."""

    digest: bytes
    """Of its pixels."""
    perceptual_hash: int
    """Perceptual, 64 bits."""
    thumb: np.ndarray
    """uint8 (3, THUMB, THUMB)."""
    is_single_color: bool
    """All of one color."""


@dataclass(frozen=True)
class DuplicatePair:
    """Two rows that are nearly the same."""

    a: int
    b: int
    hash_distance: int
    """By which their hashes differ."""
    rms_difference: float
    """By which their small versions differ, root mean square of 256."""


@dataclass(frozen=True)
@add_short_repr
class Duplicates:
    """What stands in a set twice."""

    exact: tuple[tuple[int, ...], ...]
    """Rows of equal pixels, in groups of two or more, each in ascending order."""
    near: tuple[DuplicatePair, ...]
    """Pairs that are nearly equal, the nearest first; of a group in `exact` only its first row."""
    n_single_color: int
    """Pictures of one color, which are compared for equality alone."""
    is_complete: bool = True
    """False when there are more pairs than are listed."""

    @property
    def n_copies(self) -> int:
        """How many pictures repeat the pixels of one before them."""
        return sum(len(group) - 1 for group in self.exact)

    def collect_near_rows(self) -> set[int]:
        return {row for pair in self.near for row in (pair.a, pair.b)}


def fingerprint_picture(pixels: np.ndarray) -> PictureFingerprint:
    """pixels: uint8 (C, H, W), C being 1 or 3."""
    import imagehash

    image = to_pil_image(pixels)
    bits = np.packbits(imagehash.phash(image).hash.ravel())
    thumb = image.convert("RGB").resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX)
    spread = pixels.reshape(len(pixels), -1).std(axis=1).max()
    head = repr(pixels.shape).encode()
    return PictureFingerprint(
        digest=hashlib.blake2b(head + pixels.tobytes(), digest_size=16).digest(),
        perceptual_hash=int.from_bytes(bits.tobytes(), "big"),
        thumb=np.asarray(thumb).transpose(2, 0, 1),
        is_single_color=bool(spread < SINGLE_COLOR_STD),
    )


def find_duplicates(fingerprints: Mapping[int, PictureFingerprint]) -> Duplicates:
    """Among pictures, given by their rows. Seconds for tens of thousands."""
    exact = group_equal_rows({row: one.digest for row, one in fingerprints.items()})
    copies = {row for group in exact for row in group[1:]}
    rows = [
        row for row, one in fingerprints.items() if row not in copies and not one.is_single_color
    ]
    hashes = np.array([fingerprints[k].perceptual_hash for k in rows], np.uint64)
    thumbs = np.array([fingerprints[k].thumb.ravel() for k in rows], np.uint8)  # (N, D)
    pairs, is_complete = find_near_pairs(hashes, thumbs)
    near = (DuplicatePair(rows[p.a], rows[p.b], p.hash_distance, p.rms_difference) for p in pairs)
    return Duplicates(
        exact=exact,
        near=tuple(sorted(near, key=lambda p: (p.rms_difference, p.a, p.b))),
        n_single_color=sum(one.is_single_color for one in fingerprints.values()),
        is_complete=is_complete,
    )


def group_equal_rows(digests: Mapping[int, bytes]) -> tuple[tuple[int, ...], ...]:
    """Groups of two or more rows with one digest, by their first row."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in digests.items():
        groups[digest].append(row)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def find_near_pairs(hashes: np.ndarray, thumbs: np.ndarray) -> tuple[list[DuplicatePair], bool]:
    """All a < b whose hashes (N,) and small versions (N, D) are near, and whether these are all."""
    pairs: list[DuplicatePair] = []
    for start in range(0, len(hashes), BLOCK):
        block, rest = hashes[start : start + BLOCK], hashes[start:]
        bits = np.bitwise_count(block[:, None] ^ rest)  # (block, rest)
        a, b = np.nonzero(bits <= MAX_HASH_DISTANCE)
        later = b > a
        a, b = a[later], b[later]
        for k in range(0, len(a), 10 * BLOCK):
            i, j = a[k : k + 10 * BLOCK], b[k : k + 10 * BLOCK]
            apart = thumbs[start + i].astype(np.float32) - thumbs[start + j]
            levels = np.sqrt(np.square(apart).mean(axis=1))
            for m in np.flatnonzero(levels <= MAX_RMS_DIFFERENCE).tolist():
                bit = int(bits[i[m], j[m]])
                pairs.append(
                    DuplicatePair(int(start + i[m]), int(start + j[m]), bit, float(levels[m]))
                )
            if len(pairs) >= MAX_PAIRS:
                return pairs[:MAX_PAIRS], False
    return pairs, True


def find_leaks(
    duplicates: Duplicates, splits: Mapping[str, Iterable[int]]
) -> tuple[DuplicatePair, ...]:
    """Pairs that stand in two splits: what is held out would be known by heart.

    splits: the rows of each, any container of them.  Equal pictures give a pair for each copy.
    """
    split_by_row = {int(row): split for split, rows in splits.items() for row in rows}
    equal = (
        DuplicatePair(group[0], row, 0, 0.0)
        for group in duplicates.exact
        for row in find_rows_across_splits(group, split_by_row)
    )
    near = (p for p in duplicates.near if split_by_row.get(p.a) != split_by_row.get(p.b))
    return (*equal, *near)


def find_rows_across_splits(group: tuple[int, ...], split_by_row: dict[int, str]) -> list[int]:
    """The rows of a group that stand in another split than its first."""
    return [row for row in group[1:] if split_by_row.get(row) != split_by_row.get(group[0])]
