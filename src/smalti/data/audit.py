"""A look at all pictures of a source before training on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.core.short_repr import add_short_repr
from smalti.data.decode import (
    BadPicture,
    Preprocessing,
    check_picture_size,
    raise_as_bad_picture,
    to_pixels,
)
from smalti.data.decode_all import ProgressCallback, limit_prefetch, prefetch, summarize_bad
from smalti.data.duplicates import (
    DuplicatePair,
    Duplicates,
    PictureFingerprint,
    find_duplicates,
    find_leaks,
    fingerprint_picture,
)
from smalti.data.exif import has_damaged_exif
from smalti.data.file_selection import SkippedFiles
from smalti.data.packing import split_rows
from smalti.data.source import Source
from smalti.data.splitting import find_untrained_classes

VALID_SHARE = 0.05  # held out where the data come without splits, as `read_splits` does


@dataclass(frozen=True)
class PictureInfo:
    """One picture, as it lies there."""

    width: int
    height: int
    mode: str
    """As Pillow names it: L is gray, RGBA has transparency, P a palette."""
    format: str
    is_colored: bool
    """Some pixel is not gray, after the picture is brought to its look."""
    has_damaged_exif: bool = False
    """What the camera noted cannot be read; the pixels can."""


@dataclass(frozen=True)
@add_short_repr
class Audit:
    """What is to know of a set of pictures. Rows are the source's."""

    name: str
    titles: Sequence[str]
    """Of the rows, in words: a file's path, most often."""
    size: tuple[int, int]
    """(H, W) that the pictures were brought to."""
    pictures: Mapping[int, PictureInfo]
    """Of every picture that can be used, by its row."""
    bad: tuple[BadPicture, ...]
    """Those that cannot."""
    classes: Mapping[str, int]
    """How many pictures each class has; empty without classes."""
    splits: Mapping[str, int]
    """How many pictures each split has."""
    has_predefined_splits: bool
    """False: these are the ones that training would make."""
    duplicates: Duplicates
    n_label_conflicts: int
    """Groups of equal pictures that stand in several classes."""
    leaks: tuple[DuplicatePair, ...]
    """Pairs that stand in two splits, equal or nearly so."""
    untrained_classes: Mapping[str, tuple[str, ...]]
    """Classes without a picture to train on, and the splits that theirs stand in."""
    captions: tuple[str, ...]
    """One for each of the source's pictures, or none at all."""
    bad_captions: tuple[str, ...]
    """A line for every caption that cannot be read."""
    ignored: SkippedFiles
    """What lies there, too, and is no picture to learn from."""

    def __len__(self) -> int:
        return len(self.pictures)

    def count_by(self, attribute: str) -> dict[str, int]:
        """How many pictures there are of each `mode` or `format`, the most frequent first."""
        return dict(
            Counter(getattr(one, attribute) for one in self.pictures.values()).most_common()
        )

    def count_damaged_exif(self) -> int:
        return sum(one.has_damaged_exif for one in self.pictures.values())

    def count_colored(self) -> int:
        return sum(one.is_colored for one in self.pictures.values())

    def count_channels(self) -> int:
        """Of all pictures, when their color is kept."""
        return 3 if self.count_colored() else 1

    def list_upscaled_rows(self) -> list[int]:
        """Rows of pictures that have to be enlarged."""
        H, W = self.size
        return [row for row, one in self.pictures.items() if one.height < H or one.width < W]

    def summarize_sizes(self) -> dict[str, tuple[int, int]]:
        """(width, height) of the smallest, middle and largest, each side by itself."""
        widths = [one.width for one in self.pictures.values()]
        heights = [one.height for one in self.pictures.values()]
        return {
            "smallest": (min(widths), min(heights)),
            "median": (round(median(widths)), round(median(heights))),
            "largest": (max(widths), max(heights)),
        }

    def count_by_shorter_side(self) -> dict[int, int]:
        """Pictures by their shorter side: {32: n} counts 32 to 63, every key a power of two."""
        floors = Counter(
            1 << (min(one.width, one.height).bit_length() - 1) for one in self.pictures.values()
        )
        low, high = min(floors).bit_length(), max(floors).bit_length()
        return {1 << k: floors[1 << k] for k in range(low - 1, high)}

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values; rows by their titles."""
        titles, twice = self.titles, self.duplicates
        return {
            "name": self.name,
            "pictures": len(self),
            "passed": asdict(self.ignored),
            "damaged_exif": self.count_damaged_exif(),
            "captions": sum(map(bool, self.captions)),
            "bad_captions": [*self.bad_captions],
            "size": self.size,
            "formats": self.count_by("format"),
            "modes": self.count_by("mode"),
            "colored": self.count_colored(),
            "measures": self.summarize_sizes(),
            "shorter_side": {str(low): n for low, n in self.count_by_shorter_side().items()},
            "smaller": [titles[row] for row in self.list_upscaled_rows()],
            "broken": [str(error) for error in self.bad],
            "exact": [[titles[row] for row in group] for group in twice.exact],
            "near": [self.pair_to_json(pair) for pair in twice.near],
            "plain": twice.n_single_color,
            "mixed": self.n_label_conflicts,
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "own_splits": self.has_predefined_splits,
            "unlearned": {name: [*splits] for name, splits in self.untrained_classes.items()},
            "leaks": [self.pair_to_json(pair) for pair in self.leaks],
        }

    def pair_to_json(self, pair: DuplicatePair) -> dict[str, Any]:
        a, b = self.titles[pair.a], self.titles[pair.b]
        return {"a": a, "b": b, "bits": pair.hash_distance, "levels": round(pair.rms_difference, 2)}


def audit_source(
    source: Source, preprocessing: Preprocessing, progress: ProgressCallback | None = None
) -> Audit:
    """Every picture decoded once, in the look that training would give it, and none kept.

    Equal pictures are those of equal pixels in that look.  UserError when none can be used.
    """
    assert preprocessing.size is not None
    facts: dict[int, PictureInfo] = {}
    fingerprints: dict[int, PictureFingerprint] = {}
    bad: list[BadPicture] = []
    for row, found in enumerate(
        prefetch(
            partial(inspect_picture, source, preprocessing),
            range(len(source)),
            limit_prefetch(preprocessing),
        )
    ):
        if isinstance(found, BadPicture):
            bad.append(found)
        else:
            facts[row], fingerprints[row] = found
        if progress is not None:
            progress(row + 1, len(source))
    if not facts:
        raise UserError(summarize_bad(bad, len(source)))
    rows = split_rows(source, VALID_SHARE, 0.0, 0) if len(source) > 1 else {"train": np.arange(1)}
    good = {split: [r for r in part.tolist() if r in facts] for split, part in rows.items()}
    duplicates = find_duplicates(fingerprints)
    return Audit(
        name=source.name,
        titles=source.titles,
        size=preprocessing.size,
        pictures=facts,
        bad=tuple(bad),
        classes=count_classes(source, list(facts)),
        splits={split: len(part) for split, part in good.items()},
        has_predefined_splits=bool(source.splits),
        duplicates=duplicates,
        n_label_conflicts=sum(has_many_classes(source, group) for group in duplicates.exact),
        leaks=find_leaks(duplicates, good),
        untrained_classes=find_untrained_classes(source.labels, source.classes, good),
        captions=source.captions,
        bad_captions=source.bad_captions,
        ignored=source.skipped,
    )


def inspect_picture(
    source: Source, preprocessing: Preprocessing, row: int
) -> tuple[PictureInfo, PictureFingerprint] | BadPicture:
    """What one picture is, and by what it is known again; or what is wrong with it."""
    title = source.titles[row]
    try:
        with raise_as_bad_picture(title), source.open_picture(row) as image:
            check_picture_size(title, image)
            (width, height), mode, kind = image.size, image.mode, image.format
            pixels = to_pixels(image, preprocessing)
            damaged = has_damaged_exif(image)
            facts = PictureInfo(width, height, mode, kind or "pixels", len(pixels) == 3, damaged)
            return facts, fingerprint_picture(pixels)
    except BadPicture as error:
        return error


def has_many_classes(source: Source, rows: tuple[int, ...]) -> bool:
    return source.labels is not None and len(set(source.labels[list(rows)].tolist())) > 1


def count_classes(source: Source, rows: list[int]) -> dict[str, int]:
    """In the order of the classes; one without pictures counts 0."""
    if source.labels is None:
        return {}
    counts = np.bincount(source.labels[rows], minlength=len(source.classes))
    return dict(zip(source.classes, counts.tolist(), strict=True))
