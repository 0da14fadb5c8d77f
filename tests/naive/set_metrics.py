"""Naive twins of the set metrics: one pair of pictures at a time."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

Rows = np.ndarray  # (N, D)


def kernel_distance(a: Rows, b: Rows) -> float:
    def k(x: Rows, y: Rows) -> float:
        return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    same_a = sum(k(a[i], a[j]) for i, j in product(range(n), repeat=2) if i != j) / (n * (n - 1))
    same_b = sum(k(b[i], b[j]) for i, j in product(range(m), repeat=2) if i != j) / (m * (m - 1))
    return same_a + same_b - 2 * sum(k(x, y) for x, y in product(a, b)) / (n * m)


def class_kernel_distance(a: Rows, b: Rows, labels: list[int]) -> float:
    def k(x: Rows, y: Rows) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    def mean(pairs: list[float]) -> float:
        return sum(pairs) / len(pairs)

    rows = {c: [i for i, label in enumerate(labels) if label == c] for c in set(labels)}
    same_a = sum(
        mean([k(a[i], a[j]) for i in rows[c] for j in rows[d] if i != j])
        * (len(rows[c]) / len(a))
        * (len(rows[d]) / len(a))
        for c in rows
        for d in rows
    )
    same_b = mean([k(b[i], b[j]) for i, j in product(range(len(b)), repeat=2) if i != j])
    return same_a + same_b - 2 * mean([k(x, y) for x, y in product(a, b)])


def distance(x: Rows, y: Rows) -> float:
    return math.sqrt(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)))


def are_covered(points: Rows, members: Rows, k: int) -> list[bool]:
    radii = [sorted(distance(m, o) for o in members)[k] for m in members]  # [0] is itself
    return [any(distance(p, m) <= r for m, r in zip(members, radii, strict=True)) for p in points]


def nearest(query: Rows, among: Rows, k: int) -> list[tuple[float, int]]:
    return sorted((distance(query, x), i) for i, x in enumerate(among))[:k]


def mann_whitney(a: Rows, b: Rows) -> float:
    return sum((x > y) + (x == y) / 2 for x, y in product(a.tolist(), b.tolist()))
