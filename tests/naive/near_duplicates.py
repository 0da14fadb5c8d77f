"""Near duplicates, by comparing every picture with every other."""

from __future__ import annotations

import numpy as np

from smalti.data.duplicates import MAX_HASH_DISTANCE, MAX_RMS_DIFFERENCE


def near_pairs(hashes: np.ndarray, thumbs: np.ndarray) -> set[tuple[int, int]]:
    """All pairs a < b with similar hashes and thumbnails."""
    pairs = set()
    for a in range(len(hashes)):
        for b in range(a + 1, len(hashes)):
            bits = bin(int(hashes[a]) ^ int(hashes[b])).count("1")
            difference = thumbs[a].astype(float) - thumbs[b].astype(float)
            if bits <= MAX_HASH_DISTANCE and np.sqrt((difference**2).mean()) <= MAX_RMS_DIFFERENCE:
                pairs.add((a, b))
    return pairs
