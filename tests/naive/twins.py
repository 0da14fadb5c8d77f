"""Near duplicates, by comparing every picture with every other."""

from __future__ import annotations

import numpy as np

from smalti.data.duplicates import BITS, LEVELS


def near_pairs(hashes: np.ndarray, thumbs: np.ndarray) -> set[tuple[int, int]]:
    """All a < b whose hashes and small versions are near."""
    pairs = set()
    for a in range(len(hashes)):
        for b in range(a + 1, len(hashes)):
            bits = bin(int(hashes[a]) ^ int(hashes[b])).count("1")
            apart = thumbs[a].astype(float) - thumbs[b].astype(float)
            if bits <= BITS and np.sqrt((apart**2).mean()) <= LEVELS:
                pairs.add((a, b))
    return pairs
