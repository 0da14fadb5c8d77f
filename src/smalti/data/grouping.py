"""Groups of pictures that stay on one side of a split, by a pattern of their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smalti.core.errors import UserError, shorten
from smalti.core.messages import format_count
from smalti.data.source import Source
from smalti.data.splitting import draw_permutation

MAX_NAMED = 3
"""Groups that a message names."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of each of N pictures."""

    numbers: np.ndarray
    """int64 (N,), from 0."""
    names: tuple[str, ...]
    """What the names of a group's pictures share, by number."""
    unmatched: int = 0
    """Pictures whose name does not match; each is a group of its own."""

    def __str__(self) -> str:
        matched = format_count(len(self.names) - self.unmatched, "group")
        if not self.unmatched:
            return f"{matched} of {format_count(len(self.numbers), 'picture')}"
        return f"{matched}; {format_count(self.unmatched, 'name')} without a match"

    def select(self, rows: np.ndarray) -> Groups:
        """The groups of some pictures."""
        return Groups(self.numbers[rows], self.names, self.unmatched)


def find_groups(source: Source, pattern: str) -> Groups:
    """Find the groups of a source's pictures; see `group_names`."""
    return group_names(source.file_names or source.titles, pattern)


def group_names(names: Sequence[str], pattern: str) -> Groups:
    """Group names by what a regular expression finds in them: its (groups), or else all it matches.

    names: paths inside the folder or archive. Raises UserError if the pattern is invalid, matches
    no name, or puts all pictures into one group.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"group_by is {shorten(pattern)}, which is no regular expression ({error}); give one "
            "such as '(patient\\d+)_'"
        ) from error
    keys: dict[tuple[str | None, ...], int] = {}
    numbers, unmatched = np.empty(len(names), np.int64), 0
    for row, name in enumerate(names):
        if match := expression.search(name):
            key = match.groups() or (match[0],)
        else:
            key, unmatched = ("", str(row), ""), unmatched + 1
        numbers[row] = keys.setdefault(key, len(keys))
    if unmatched == len(names):
        raise UserError(
            f"group_by {shorten(pattern)} matches no name, such as {shorten(names[0])}; give a "
            "regular expression of the part that pictures of a group share"
        )
    if len(keys) < 2:
        raise UserError(
            f"group_by {shorten(pattern)} puts all {format_count(len(names), 'picture')} into one "
            "group, which cannot be split; give a pattern that finds different parts"
        )
    shown = tuple(" ".join(part for part in key if part) for key in keys)
    return Groups(numbers, shown, unmatched)


def split_groups(
    groups: Groups, sizes: Sequence[int], labels: np.ndarray | None, seed: int
) -> list[np.ndarray]:
    """Split pictures by whole groups: the rows of training, and of each held-out part.

    sizes: pictures wanted in each part. Groups are drawn in random order; one that is too large for
    a part is passed over, and a part that none fits gets the smallest. A group stays in training if
    it holds the last pictures of a class.
    """
    counts = np.bincount(groups.numbers, minlength=len(groups.names))
    order = [k for k in draw_permutation(len(counts), seed).tolist() if counts[k]]
    if len(order) <= (wanted := sum(size > 0 for size in sizes)):
        raise UserError(
            f"the pictures to split are in {format_count(len(order), 'group')}; "
            f"give at least {wanted + 1}, or another group_by"
        )
    free, parts = list(order), []
    for done, size in enumerate(sizes, start=1):
        chosen: list[int] = []
        spare = len(free) - 1 - sum(other > 0 for other in sizes[done:])  # training and later parts
        for k in free:
            if len(chosen) < spare and counts[chosen].sum() + counts[k] <= size:
                chosen.append(k)
        if size and not chosen and len(free) > 1:
            chosen = [min(free, key=lambda k: counts[k])]
        chosen = keep_classes(groups, chosen, parts, labels)
        free = [k for k in free if k not in chosen]
        parts.append(chosen)
    held = [np.flatnonzero(np.isin(groups.numbers, part)) for part in parts]
    train = np.flatnonzero(np.isin(groups.numbers, free))
    return [train, *held]


def keep_classes(
    groups: Groups, chosen: list[int], earlier: Iterable[list[int]], labels: np.ndarray | None
) -> list[int]:
    """Those of the chosen groups without which every class keeps a training picture.

    One group stays chosen in any case, so that the part is not empty.
    """
    if labels is None:
        return chosen
    held = [k for part in earlier for k in part]
    kept: list[int] = []
    for k in chosen:
        own = set(labels[groups.numbers == k].tolist())
        left = ~np.isin(groups.numbers, [*held, *kept, k])
        if own <= set(labels[left].tolist()):
            kept.append(k)
    return kept or chosen[:1]


def describe_divided(groups: Groups, splits: Mapping[str, Iterable[int]]) -> str:
    """Describe groups with pictures in several splits; empty if there are none."""
    homes: dict[int, list[str]] = {}
    for split, rows in splits.items():
        for k in dict.fromkeys(groups.numbers[np.array(list(rows), np.int64)].tolist()):
            homes.setdefault(k, []).append(split)
    divided = [f"{groups.names[k]} ({', '.join(s)})" for k, s in homes.items() if len(s) > 1]
    if not divided:
        return ""
    more = f" and {len(divided) - MAX_NAMED} more" if len(divided) > MAX_NAMED else ""
    return f"groups in several splits of the data: {', '.join(divided[:MAX_NAMED])}{more}"
