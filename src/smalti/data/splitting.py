"""Which pictures are held out, where the data come without splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from smalti.data.source import SPLITS, Split


def draw_permutation(n: int, seed: int) -> np.ndarray:
    """0 .. n-1 in an order that the seed decides, the same on every machine."""
    return np.argsort(np.random.Philox(seed).random_raw(n), kind="stable")


def ensure_train_classes(
    parts: Sequence[np.ndarray], labels: np.ndarray | None
) -> list[np.ndarray]:
    """Parts that were chosen by chance, changed so that every class is trained on where it can be.

    parts: rows to train on first, then those of each part that is held out.  labels: (N,) by row.
    A class that would be held out alone exchanges its first picture there with the first one to
    train on of a class that has others, or moves it where no class has.  All else stays.
    """
    train, *held = (list(part.tolist()) for part in parts)
    if labels is None:
        return [np.array(part, np.int64) for part in (train, *held)]
    counts = Counter(labels[np.array(train, np.int64)].tolist())
    spare = iter(range(len(train)))
    for part in held:
        for row in [row for row in part if not counts[labels[row]]]:
            if counts[labels[row]]:
                continue  # another one of its class has moved
            k_train = next((k for k in spare if counts[labels[train[k]]] > 1), None)
            if k_train is not None:
                counts[labels[train[k_train]]] -= 1
                part[part.index(row)], train[k_train] = train[k_train], row
            elif len(part) > 1:
                part.remove(row)
                train.append(row)
            else:
                continue  # nothing would be held out
            counts[labels[row]] += 1
    return [np.array(part, np.int64) for part in (train, *held)]


def find_untrained_classes(
    labels: np.ndarray | None, classes: tuple[str, ...], splits: Mapping[str, Iterable[int]]
) -> dict[str, tuple[str, ...]]:
    """Classes that have pictures and none to train on, each with the splits that these stand in."""
    if labels is None:
        return {}
    found: dict[str, set[int]] = {
        s: set(labels[np.array(list(rows), np.int64)].tolist()) for s, rows in splits.items()
    }
    lost = set[int]().union(*found.values()) - found.get("train", set())
    return {classes[k]: tuple(s for s in found if k in found[s]) for k in sorted(lost)}


def describe_untrained(untrained: Mapping[str, tuple[str, ...]]) -> str:
    """What is to be said of such classes, in a line; empty without any."""
    if not untrained:
        return ""
    named = [f"{name} ({', '.join(splits)} alone)" for name, splits in untrained.items()]
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"classes without a picture to train on: {', '.join(named[:5])}{more}"


def group_rows_by_split(splits: Iterable[Split]) -> dict[Split, np.ndarray]:
    """The rows of each split that has any, of pictures whose splits are told one by one."""
    each = np.array(list(splits))
    rows: dict[Split, np.ndarray] = {split: np.flatnonzero(each == split) for split in SPLITS}
    return {split: part for split, part in rows.items() if len(part)}
