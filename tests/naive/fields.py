"""Fields of nearest patches, patch by patch in plain Python; pictures of integers."""

from __future__ import annotations

import numpy as np

BITS = 2**64 - 1
Position = tuple[int, ...]


def splitmix64(key: int) -> int:
    """SplitMix64."""
    z = (key + 0x9E3779B97F4A7C15) & BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def scale_bits(low: int, high: int, bits: int) -> int:
    return low + ((high - low + 1) * bits >> 32)


def window(x: np.ndarray, here: Position, patch: int) -> np.ndarray:
    """The patch around a position, with border pixels replicated outside x."""
    (i, j), r = here, patch // 2
    rows = [min(max(i + t, 0), x.shape[0] - 1) for t in range(-r, r + 1)]
    columns = [min(max(j + t, 0), x.shape[1] - 1) for t in range(-r, r + 1)]
    return np.array([[x[u, v] for v in columns] for u in rows]).astype(int)


def patch_distance(
    a: np.ndarray, b: np.ndarray, patch: int, here: Position, there: Position
) -> int:
    """The sum of squared differences of two patches."""
    return int(((window(a, here, patch) - window(b, there, patch)) ** 2).sum())


def patchmatch(
    a: np.ndarray, b: np.ndarray, patch: int, rounds: int, seed: int, field: np.ndarray, mask=None
) -> tuple[np.ndarray, np.ndarray]:
    """The field and costs of `match` starting from `field`, one patch after the other."""
    closed = np.zeros(b.shape[:2], bool) if mask is None else mask
    (H, W), (height, width) = a.shape[:2], b.shape[:2]
    found = {(i, j): tuple(map(int, field[i, j])) for i in range(H) for j in range(W)}
    far = float("inf")
    cost = {p: far if closed[q] else patch_distance(a, b, patch, p, q) for p, q in found.items()}

    def attempt(here, there):
        row, column = there
        if not (0 <= row < height and 0 <= column < width) or closed[there]:
            return
        if (d := patch_distance(a, b, patch, here, there)) < cost[here]:
            found[here], cost[here] = there, d

    for n in range(rounds):
        key, step = (seed * 0x9E3779B97F4A7C15 + (n + 1) * 2**40) & BITS, (1, -1)[n % 2]
        for i, j in sorted(found, reverse=n % 2 == 1):
            for down, right in ((0, step), (step, 0), (step, step)):
                if (i - down, j - right) in found:
                    row, column = found[i - down, j - right]
                    attempt((i, j), (row + down, column + right))
            radius, state = max(height, width), splitmix64((key + i * W + j) & BITS)
            while radius:
                state = splitmix64(state)
                r, c = found[i, j]
                row = scale_bits(max(r - radius, 0), min(r + radius, height - 1), state % 2**32)
                column = scale_bits(max(c - radius, 0), min(c + radius, width - 1), state >> 32)
                attempt((i, j), (row, column))
                radius //= 2
    return (
        np.array([[found[i, j] for j in range(W)] for i in range(H)]),
        np.array([[cost[i, j] for j in range(W)] for i in range(H)], float),
    )


def exact_match(
    a: np.ndarray, b: np.ndarray, patch: int, mask=None
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest patches and their costs; among equals the first in raster order."""
    positions = [p for p in np.ndindex(*b.shape[:2]) if mask is None or not mask[p]]
    field = np.zeros((*a.shape[:2], 2), int)
    sums = np.zeros(a.shape[:2])
    for here in np.ndindex(*a.shape[:2]):
        sums[here], field[here] = min((patch_distance(a, b, patch, here, q), q) for q in positions)
    return field, sums
