"""Find duplicate pictures: equal or nearly equal pixels.

Two pictures are nearly equal if their perceptual hashes (64 bits, from the lowest frequencies)
differ in a few bits and their thumbnails are close: hashes ignore color.
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

MAX_HASH_DISTANCE = 6  # bits in which hashes of nearly equal pictures differ
MAX_RMS_DIFFERENCE = 12.0  # root mean square of their thumbnails, of 256 levels
THUMB_SIDE = 16
SINGLE_COLOR_STD = 2.0  # below this a picture is one color, and its hash is noise
BLOCK = 1024  # hashes compared with all others at once
MAX_PAIRS = 100_000  # listed pairs


@dataclass(frozen=True)
class PictureFingerprint:
    """What identifies a picture."""

    digest: bytes
    """Hash of its pixels."""
    perceptual_hash: int
    """64 bits."""
    thumb: np.ndarray
    """uint8 (3, THUMB_SIDE, THUMB_SIDE)."""
    is_single_color: bool


@dataclass(frozen=True)
class DuplicatePair:
    """Two rows that are nearly equal."""

    a: int
    b: int
    hash_distance: int
    """Number of bits in which the hashes differ."""
    rms_difference: float
    """Root mean square difference of the thumbnails, of 256 levels."""


@dataclass(frozen=True)
@add_short_repr
class Duplicates:
    """Duplicate pictures of a dataset."""

    exact: tuple[tuple[int, ...], ...]
    """Groups of two or more rows with equal pixels, each in ascending order."""
    near: tuple[DuplicatePair, ...]
    """Nearly equal pairs, the nearest first; a group of `exact` is represented by its first row."""
    n_single_color: int
    """Number of pictures of one color, which are only compared for equality."""
    is_complete: bool = True
    """False if there are more pairs than listed."""

    @property
    def n_copies(self) -> int:
        """Number of pictures that repeat an earlier one."""
        return sum(len(group) - 1 for group in self.exact)

    def collect_near_rows(self) -> set[int]:
        return {row for pair in self.near for row in (pair.a, pair.b)}


def fingerprint_picture(pixels: np.ndarray) -> PictureFingerprint:
    """Fingerprint a picture. pixels: uint8 (C, H, W), C is 1 or 3."""
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
    """Find duplicates among fingerprints by row. Takes seconds for tens of thousands."""
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
    """Group rows with equal digests; groups of two or more, ordered by their first row."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in digests.items():
        groups[digest].append(row)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def find_near_pairs(hashes: np.ndarray, thumbs: np.ndarray) -> tuple[list[DuplicatePair], bool]:
    """Find all a < b with close hashes (N,) and thumbnails (N, D), and whether these are all."""
    pairs: list[DuplicatePair] = []
    for start in range(0, len(hashes), BLOCK):
        block, rest = hashes[start : start + BLOCK], hashes[start:]
        bits = np.bitwise_count(block[:, None] ^ rest)  # (block, rest)
        a, b = np.nonzero(bits <= MAX_HASH_DISTANCE)
        later = b > a
        a, b = a[later], b[later]
        for k in range(0, len(a), 10 * BLOCK):
            i, j = a[k : k + 10 * BLOCK], b[k : k + 10 * BLOCK]
            difference = thumbs[start + i].astype(np.float32) - thumbs[start + j]
            rms = np.sqrt(np.square(difference).mean(axis=1))
            for m in np.flatnonzero(rms <= MAX_RMS_DIFFERENCE).tolist():
                bit = int(bits[i[m], j[m]])
                pairs.append(
                    DuplicatePair(int(start + i[m]), int(start + j[m]), bit, float(rms[m]))
                )
            if len(pairs) >= MAX_PAIRS:
                return pairs[:MAX_PAIRS], False
    return pairs, True


def find_leaks(
    duplicates: Duplicates, splits: Mapping[str, Iterable[int]]
) -> tuple[DuplicatePair, ...]:
    """Find pairs across splits, which leak held-out pictures into training.

    splits: the rows of each.  Equal pictures give one pair for each copy.
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
    """Find the rows of a group that are in another split than its first."""
    return [row for row in group[1:] if split_by_row.get(row) != split_by_row.get(group[0])]
