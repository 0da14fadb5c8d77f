"""A look at all pictures of a source before training on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from smalti.core.brief import brief
from smalti.core.errors import UserError
from smalti.data.decode import BadPicture, Look, check_size, faults, to_pixels
from smalti.data.duplicates import Duplicates, Pair, Print, find_duplicates, leaks, print_of
from smalti.data.exif import has_damaged_exif
from smalti.data.gather import Progress, ahead, told, waiting_room
from smalti.data.packing import split_rows
from smalti.data.sifting import Passed
from smalti.data.source import Source
from smalti.data.splitting import unlearned_classes

VALID = 0.05  # held out where the data come without splits, as `read_splits` does


@dataclass(frozen=True)
class Facts:
    """One picture, as it lies there."""

    width: int
    height: int
    mode: str
    """As Pillow names it: L is grey, RGBA has transparency, P a palette."""
    format: str
    is_coloured: bool
    """Some pixel is not grey, after the picture is brought to its look."""
    has_damaged_exif: bool = False
    """What the camera noted cannot be read; the pixels can."""


@dataclass(frozen=True)
@brief
class Audit:
    """What is to know of a set of pictures. Rows are the source's."""

    name: str
    titles: Sequence[str]
    """Of the rows, in words: a file's path, most often."""
    size: tuple[int, int]
    """(H, W) that the pictures were brought to."""
    facts: Mapping[int, Facts]
    """Of every picture that can be used, by its row."""
    bad: tuple[BadPicture, ...]
    """Those that cannot."""
    classes: Mapping[str, int]
    """How many pictures each class has; empty without classes."""
    splits: Mapping[str, int]
    """How many pictures each split has."""
    has_own_splits: bool
    """False: these are the ones that training would make."""
    duplicates: Duplicates
    mixed: int
    """Groups of equal pictures that stand in several classes."""
    leaks: tuple[Pair, ...]
    """Pairs that stand in two splits, equal or nearly so."""
    unlearned: Mapping[str, tuple[str, ...]]
    """Classes without a picture to train on, and the splits that theirs stand in."""
    captions: tuple[str, ...]
    """One for each of the source's pictures, or none at all."""
    bad_captions: tuple[str, ...]
    """A line for every caption that cannot be read."""
    passed: Passed
    """What lies there, too, and is no picture to learn from."""

    def __len__(self) -> int:
        return len(self.facts)

    def counted(self, what: str) -> dict[str, int]:
        """How many pictures there are of each `mode` or `format`, the most frequent first."""
        return dict(Counter(getattr(one, what) for one in self.facts.values()).most_common())

    def damaged_exif(self) -> int:
        return sum(one.has_damaged_exif for one in self.facts.values())

    def coloured(self) -> int:
        return sum(one.is_coloured for one in self.facts.values())

    def channels(self) -> int:
        """Of all pictures, when their colour is kept."""
        return 3 if self.coloured() else 1

    def smaller(self) -> list[int]:
        """Rows of pictures that have to be enlarged."""
        H, W = self.size
        return [row for row, one in self.facts.items() if one.height < H or one.width < W]

    def measures(self) -> dict[str, tuple[int, int]]:
        """(width, height) of the smallest, middle and largest, each side by itself."""
        widths = [one.width for one in self.facts.values()]
        heights = [one.height for one in self.facts.values()]
        return {
            "smallest": (min(widths), min(heights)),
            "median": (round(median(widths)), round(median(heights))),
            "largest": (max(widths), max(heights)),
        }

    def histogram(self) -> dict[int, int]:
        """Pictures by their shorter side: {32: n} counts 32 to 63, every key a power of two."""
        floors = Counter(
            1 << (min(one.width, one.height).bit_length() - 1) for one in self.facts.values()
        )
        low, high = min(floors).bit_length(), max(floors).bit_length()
        return {1 << k: floors[1 << k] for k in range(low - 1, high)}

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values; rows by their titles."""
        titles, twice = self.titles, self.duplicates
        return {
            "name": self.name,
            "pictures": len(self),
            "passed": asdict(self.passed),
            "damaged_exif": self.damaged_exif(),
            "captions": sum(map(bool, self.captions)),
            "bad_captions": [*self.bad_captions],
            "size": self.size,
            "formats": self.counted("format"),
            "modes": self.counted("mode"),
            "coloured": self.coloured(),
            "measures": self.measures(),
            "shorter_side": {str(low): n for low, n in self.histogram().items()},
            "smaller": [titles[row] for row in self.smaller()],
            "broken": [str(error) for error in self.bad],
            "exact": [[titles[row] for row in group] for group in twice.exact],
            "near": [self.pair_to_json(pair) for pair in twice.near],
            "plain": twice.plain,
            "mixed": self.mixed,
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "own_splits": self.has_own_splits,
            "unlearned": {name: [*splits] for name, splits in self.unlearned.items()},
            "leaks": [self.pair_to_json(pair) for pair in self.leaks],
        }

    def pair_to_json(self, pair: Pair) -> dict[str, Any]:
        a, b = self.titles[pair.a], self.titles[pair.b]
        return {"a": a, "b": b, "bits": pair.bits, "levels": round(pair.levels, 2)}


def audit(source: Source, look: Look, progress: Progress | None = None) -> Audit:
    """Every picture decoded once, in the look that training would give it, and none kept.

    Equal pictures are those of equal pixels in that look.  UserError when none can be used.
    """
    assert look.size is not None
    facts: dict[int, Facts] = {}
    prints: dict[int, Print] = {}
    bad: list[BadPicture] = []
    for row, found in enumerate(
        ahead(partial(survey, source, look), range(len(source)), waiting_room(look))
    ):
        if isinstance(found, BadPicture):
            bad.append(found)
        else:
            facts[row], prints[row] = found
        if progress is not None:
            progress(row + 1, len(source))
    if not facts:
        raise UserError(told(bad, len(source)))
    rows = split_rows(source, VALID, 0.0, 0) if len(source) > 1 else {"train": np.arange(1)}
    good = {split: [r for r in part.tolist() if r in facts] for split, part in rows.items()}
    duplicates = find_duplicates(prints)
    return Audit(
        name=source.name,
        titles=source.titles,
        size=look.size,
        facts=facts,
        bad=tuple(bad),
        classes=class_counts(source, list(facts)),
        splits={split: len(part) for split, part in good.items()},
        has_own_splits=bool(source.splits),
        duplicates=duplicates,
        mixed=sum(has_many_classes(source, group) for group in duplicates.exact),
        leaks=leaks(duplicates, good),
        unlearned=unlearned_classes(source.labels, source.classes, good),
        captions=source.captions,
        bad_captions=source.bad_captions,
        passed=source.passed,
    )


def survey(source: Source, look: Look, row: int) -> tuple[Facts, Print] | BadPicture:
    """What one picture is, and by what it is known again; or what is wrong with it."""
    title = source.titles[row]
    try:
        with faults(title), source.opened(row) as image:
            check_size(title, image)
            (width, height), mode, kind = image.size, image.mode, image.format
            pixels = to_pixels(image, look)
            damaged = has_damaged_exif(image)
            facts = Facts(width, height, mode, kind or "pixels", len(pixels) == 3, damaged)
            return facts, print_of(pixels)
    except BadPicture as error:
        return error


def has_many_classes(source: Source, rows: tuple[int, ...]) -> bool:
    return source.labels is not None and len(set(source.labels[list(rows)].tolist())) > 1


def class_counts(source: Source, rows: list[int]) -> dict[str, int]:
    """In the order of the classes; one without pictures counts 0."""
    if source.labels is None:
        return {}
    counts = np.bincount(source.labels[rows], minlength=len(source.classes))
    return dict(zip(source.classes, counts.tolist(), strict=True))
