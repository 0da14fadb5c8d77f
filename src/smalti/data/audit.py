"""Check all pictures of a source before training on them."""

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
from smalti.data.grouping import describe_divided, find_groups
from smalti.data.packing import split_rows
from smalti.data.source import Source
from smalti.data.splitting import find_untrained_classes

VALID_SHARE = 0.05  # held out if the data have no splits, as in `read_splits`


@dataclass(frozen=True)
class PictureInfo:
    """Properties of one picture file."""

    width: int
    height: int
    mode: str
    """Pillow's name: L is gray, RGBA has transparency, P a palette."""
    format: str
    is_colored: bool
    """True if some pixel is not gray after preprocessing."""
    has_damaged_exif: bool = False
    """True if the EXIF block cannot be read; the pixels can."""


@dataclass(frozen=True)
@add_short_repr
class Audit:
    """Findings about a set of pictures. Rows are the source's."""

    name: str
    titles: Sequence[str]
    """Names of the rows: usually a file's path."""
    size: tuple[int, int]
    """(H, W) that the pictures were resized to."""
    pictures: Mapping[int, PictureInfo]
    """Properties of every usable picture, by row."""
    bad: tuple[BadPicture, ...]
    """Pictures that cannot be used."""
    classes: Mapping[str, int]
    """Number of pictures of each class; empty without classes."""
    splits: Mapping[str, int]
    """Number of pictures of each split."""
    has_predefined_splits: bool
    """False if the data have no splits: then these are the ones that training makes."""
    duplicates: Duplicates
    n_label_conflicts: int
    """Groups of equal pictures with several classes."""
    leaks: tuple[DuplicatePair, ...]
    """Pairs of equal or nearly equal pictures in two splits."""
    untrained_classes: Mapping[str, tuple[str, ...]]
    """Classes without a training picture, and the splits that contain them."""
    captions: tuple[str, ...]
    """One per picture of the source, or empty."""
    bad_captions: tuple[str, ...]
    """One message per caption that cannot be read."""
    ignored: SkippedFiles
    """Files that were skipped."""
    groups: str = ""
    """The groups of pictures that are split together; empty without `group_by`."""
    divided: str = ""
    """The groups that are in several splits all the same, because the data have splits."""

    def __len__(self) -> int:
        return len(self.pictures)

    def count_by(self, attribute: str) -> dict[str, int]:
        """Count pictures by `mode` or `format`, the most frequent first."""
        return dict(
            Counter(getattr(one, attribute) for one in self.pictures.values()).most_common()
        )

    def count_damaged_exif(self) -> int:
        return sum(one.has_damaged_exif for one in self.pictures.values())

    def count_colored(self) -> int:
        return sum(one.is_colored for one in self.pictures.values())

    def count_channels(self) -> int:
        """Return the number of channels of all pictures with color="keep"."""
        return 3 if self.count_colored() else 1

    def list_upscaled_rows(self) -> list[int]:
        """List the rows of pictures that are enlarged."""
        H, W = self.size
        return [row for row, one in self.pictures.items() if one.height < H or one.width < W]

    def summarize_sizes(self) -> dict[str, tuple[int, int]]:
        """Compute minimum, median and maximum (width, height), each side separately."""
        widths = [one.width for one in self.pictures.values()]
        heights = [one.height for one in self.pictures.values()]
        return {
            "smallest": (min(widths), min(heights)),
            "median": (round(median(widths)), round(median(heights))),
            "largest": (max(widths), max(heights)),
        }

    def count_by_shorter_side(self) -> dict[int, int]:
        """Count pictures by their shorter side: {32: n} counts 32 to 63, keys are powers of two."""
        floors = Counter(
            1 << (min(one.width, one.height).bit_length() - 1) for one in self.pictures.values()
        )
        low, high = min(floors).bit_length(), max(floors).bit_length()
        return {1 << k: floors[1 << k] for k in range(low - 1, high)}

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON values, with titles in place of rows."""
        titles, duplicates = self.titles, self.duplicates
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
            "exact": [[titles[row] for row in group] for group in duplicates.exact],
            "near": [self.pair_to_json(pair) for pair in duplicates.near],
            "plain": duplicates.n_single_color,
            "mixed": self.n_label_conflicts,
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "own_splits": self.has_predefined_splits,
            "unlearned": {name: [*splits] for name, splits in self.untrained_classes.items()},
            "groups": self.groups,
            "divided": self.divided,
            "leaks": [self.pair_to_json(pair) for pair in self.leaks],
        }

    def pair_to_json(self, pair: DuplicatePair) -> dict[str, Any]:
        a, b = self.titles[pair.a], self.titles[pair.b]
        return {"a": a, "b": b, "bits": pair.hash_distance, "levels": round(pair.rms_difference, 2)}


def audit_source(
    source: Source,
    preprocessing: Preprocessing,
    progress: ProgressCallback | None = None,
    group_by: str | None = None,
) -> Audit:
    """Decode every picture once, preprocessed as for training, and keep none.

    Pictures are equal if their preprocessed pixels are.  Raises UserError if none can be used.
    """
    assert preprocessing.size is not None
    groups = None if group_by is None else find_groups(source, group_by)
    facts: dict[int, PictureInfo] = {}
    fingerprints: dict[int, PictureFingerprint] = {}
    bad: list[BadPicture] = []
    for row, result in enumerate(
        prefetch(
            partial(inspect_picture, source, preprocessing),
            range(len(source)),
            limit_prefetch(preprocessing),
        )
    ):
        if isinstance(result, BadPicture):
            bad.append(result)
        else:
            facts[row], fingerprints[row] = result
        if progress is not None:
            progress(row + 1, len(source))
    if not facts:
        raise UserError(summarize_bad(bad, len(source)))
    rows = {"train": np.arange(1)}
    if len(source) > 1:
        rows = split_rows(source, VALID_SHARE, 0.0, 0, groups)
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
        groups="" if groups is None else str(groups),
        divided="" if groups is None else describe_divided(groups, good),
    )


def inspect_picture(
    source: Source, preprocessing: Preprocessing, row: int
) -> tuple[PictureInfo, PictureFingerprint] | BadPicture:
    """Compute the properties and the fingerprint of one picture, or return its error."""
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
    """Count the pictures of each class, including empty classes."""
    if source.labels is None:
        return {}
    counts = np.bincount(source.labels[rows], minlength=len(source.classes))
    return dict(zip(source.classes, counts.tolist(), strict=True))
