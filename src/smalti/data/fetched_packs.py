"""Packs of downloaded datasets: written once, reused and described."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.core.folders import check_replaceable, check_writable, stage_folder
from smalti.core.short_repr import add_short_repr
from smalti.data.decode import Preprocessing
from smalti.data.decode_all import ProgressCallback, load_pictures
from smalti.data.duplicates import Duplicates, find_duplicates, find_leaks, fingerprint_picture
from smalti.data.packing import PackSummary, write_pack
from smalti.data.packs import FILES, is_pack, open_pack_source, read_json
from smalti.data.picture_formats import suppress_pillow_warnings
from smalti.data.source import SPLITS, Source, Split

PackContents = tuple[Source, Preprocessing, Mapping[Split, np.ndarray], Mapping[str, Any]]
"""A pack's source, preprocessing, rows of each split, and further entries of its record: at least
"content"."""


@dataclass(frozen=True)
@add_short_repr
class FetchedPack:
    """A downloaded pack and its duplicates."""

    path: Path
    packed: PackSummary
    content: str
    """A description: "1,212 emoji with their variants"."""
    license: str
    duplicates: Duplicates
    n_leaks: int
    """Number of pairs of equal or nearly equal pictures in different splits."""
    is_new: bool = True
    """False if the pack already existed and nothing was downloaded."""

    @property
    def n_distinct(self) -> int:
        """Number of pictures with distinct pixels."""
        return self.packed.shape[0] - self.duplicates.n_copies


def drop_leaks(
    source: Source, preprocessing: Preprocessing, rows: Mapping[Split, np.ndarray]
) -> dict[Split, np.ndarray]:
    """Drop rows that are equal or nearly equal to a row of a later split.

    Equal pictures of one class, which have several names, are kept once.
    """
    pictures, _ = load_pictures(source, preprocessing)
    labels = np.zeros(len(source), np.int64) if source.labels is None else source.labels
    rank = {int(row): SPLITS.index(split) for split, part in rows.items() for row in part}
    found = find_duplicates({k: fingerprint_picture(pictures.pixels[k].numpy()) for k in rank})
    copies = {row: group for group in found.exact for row in group}
    dropped: set[int] = set()
    for group in found.exact:
        last = max(rank[row] for row in group)
        first = {labels[row]: row for row in reversed(group) if rank[row] == last}
        dropped |= {*group} - {*first.values()}
    for pair in found.near:
        a, b = (copies.get(row, (row,)) for row in (pair.a, pair.b))
        before = max(rank[row] for row in a) - max(rank[row] for row in b)
        dropped |= {*a} if before < 0 else {*b} if before > 0 else set()
    return {s: part[~np.isin(part, list(dropped))] for s, part in rows.items()}


def fetch_packs(
    paths: Sequence[Path],
    provenance: Mapping[str, Any],
    make_packs: Callable[[Path], Iterable[PackContents]],
    progress: ProgressCallback | None,
) -> list[FetchedPack]:
    """Return the packs at `paths`, downloading and writing them unless they exist.

    provenance: entries of an existing pack's record that must match.
    make_packs: downloads into a temporary folder and yields the contents of each pack.
    """
    if are_fetched(paths, provenance):
        return [describe_pack(path, is_new=False) for path in paths]
    packs: list[FetchedPack] = []
    with TemporaryDirectory(prefix="smalti-") as name, suppress_pillow_warnings():
        for path, (source, preprocessing, rows, more) in zip(
            paths, make_packs(Path(name)), strict=True
        ):
            with stage_folder(path, FILES) as folder:
                named = replace(source, name=path.name)
                provenance_and_more = {**provenance, **more}
                write_pack(
                    folder, named, preprocessing, {**rows}, provenance_and_more, progress=progress
                )
            packs.append(describe_pack(path, is_new=True))
    return packs


def are_fetched(paths: Sequence[Path], provenance: Mapping[str, Any]) -> bool:
    """Whether packs with this provenance exist at all paths.

    If not, raises UserError or OSError if they cannot be written, before any download.
    """
    if all(is_fetched(path, provenance) for path in paths):
        return True
    for path in paths:
        check_replaceable(path, FILES)
    check_writable(paths[0].parent)
    return False


def is_fetched(path: Path, provenance: Mapping[str, Any]) -> bool:
    if not is_pack(path):
        return False
    try:
        made = read_json(path / "pack.json").get("made", {})
        return "content" in made and all(
            made.get(key) == value for key, value in provenance.items()
        )
    except UserError:  # damaged: download it again
        return False


def describe_pack(path: Path, *, is_new: bool) -> FetchedPack:
    """Describe a downloaded pack. Takes about a second."""
    source, made = open_pack_source(path), read_json(path / "pack.json")["made"]
    array = source.pixels
    assert array is not None
    packed = PackSummary(array.shape, source.classes, source.splits, ())
    duplicates = find_duplicates({k: fingerprint_picture(pixels) for k, pixels in enumerate(array)})
    n_leaks = len(find_leaks(duplicates, packed.splits))
    content, license = made["content"], made["license"]
    return FetchedPack(path, packed, content, license, duplicates, n_leaks, is_new)
