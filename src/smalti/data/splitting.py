"""Choose held-out pictures if the data have no splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from smalti.data.source import SPLITS, Split


def draw_permutation(n: int, seed: int) -> np.ndarray:
    """Draw a permutation of 0 .. n-1 by seed, the same on every machine."""
    return np.argsort(np.random.Philox(seed).random_raw(n), kind="stable")


def ensure_train_classes(
    parts: Sequence[np.ndarray], labels: np.ndarray | None
) -> list[np.ndarray]:
    """Change random splits so that every class has a training picture where possible.

    parts: training rows, then the rows of each held-out split.  labels: (N,) by row.
    A class without training pictures swaps its first held-out picture with the first training
    picture of a class that has others, or moves it if no class has.  All else is unchanged.
    """
    train, *held = (list(part.tolist()) for part in parts)
    if labels is None:
        return [np.array(part, np.int64) for part in (train, *held)]
    counts = Counter(labels[np.array(train, np.int64)].tolist())
    spare = iter(range(len(train)))
    for part in held:
        for row in [row for row in part if not counts[labels[row]]]:
            if counts[labels[row]]:
                continue  # another picture of its class has moved
            k_train = next((k for k in spare if counts[labels[train[k]]] > 1), None)
            if k_train is not None:
                counts[labels[train[k_train]]] -= 1
                part[part.index(row)], train[k_train] = train[k_train], row
            elif len(part) > 1:
                part.remove(row)
                train.append(row)
            else:
                continue  # the split would be empty
            counts[labels[row]] += 1
    return [np.array(part, np.int64) for part in (train, *held)]


def find_untrained_classes(
    labels: np.ndarray | None, classes: tuple[str, ...], splits: Mapping[str, Iterable[int]]
) -> dict[str, tuple[str, ...]]:
    """Find classes without training pictures, and the splits that contain them."""
    if labels is None:
        return {}
    found: dict[str, set[int]] = {
        s: set(labels[np.array(list(rows), np.int64)].tolist()) for s, rows in splits.items()
    }
    untrained = set[int]().union(*found.values()) - found.get("train", set())
    return {classes[k]: tuple(s for s in found if k in found[s]) for k in sorted(untrained)}


def describe_untrained(untrained: Mapping[str, tuple[str, ...]]) -> str:
    """Format a message about classes without training pictures; empty if there are none."""
    if not untrained:
        return ""
    named = [f"{name} (only {', '.join(splits)})" for name, splits in untrained.items()]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"classes without training pictures: {', '.join(named[:5])}{more}"


def group_rows_by_split(splits: Iterable[Split]) -> dict[Split, np.ndarray]:
    """Group rows by the split of each picture; empty splits are left out."""
    each = np.array(list(splits))
    rows: dict[Split, np.ndarray] = {split: np.flatnonzero(each == split) for split in SPLITS}
    return {split: part for split, part in rows.items() if len(part)}
