"""Packs of what was fetched: written once, found again, and described."""

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
"""Of a pack: its pictures, their look, the rows of each split, and what is noted with it: "content"
at least."""


@dataclass(frozen=True)
@add_short_repr
class FetchedPack:
    """A pack, and what stands in it twice."""

    path: Path
    packed: PackSummary
    content: str
    """What it holds, in words: "1,212 emoji with their variants"."""
    license: str
    duplicates: Duplicates
    n_leaks: int
    """Pairs, equal or nearly so, of which the two sides stand in different splits."""
    is_new: bool = True
    """False for a pack that was here already, so that nothing was downloaded."""

    @property
    def n_distinct(self) -> int:
        """Pictures of different pixels."""
        return self.packed.shape[0] - self.duplicates.n_copies


def drop_leaks(
    source: Source, preprocessing: Preprocessing, rows: Mapping[Split, np.ndarray]
) -> dict[Split, np.ndarray]:
    """The rows of each split without what is nearly the same as a row of a later split.

    Equal pictures of one class, which have several names then, are taken once.
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
    """The packs at `paths`: as they lie there where they were made so, else brought and written.

    make_packs: downloads into a temporary folder, and gives what each pack is made of.
    """
    if are_fetched(paths, provenance):
        return [describe_pack(path, is_new=False) for path in paths]
    packs: list[FetchedPack] = []
    with TemporaryDirectory(prefix="smalti-") as name, suppress_pillow_warnings():
        for path, (source, look, rows, more) in zip(paths, make_packs(Path(name)), strict=True):
            with stage_folder(path, FILES) as folder:
                named = replace(source, name=path.name)
                write_pack(folder, named, look, {**rows}, {**provenance, **more}, progress=progress)
            packs.append(describe_pack(path, is_new=True))
    return packs


def are_fetched(paths: Sequence[Path], provenance: Mapping[str, Any]) -> bool:
    """Whether packs that were made so lie at all these paths.

    Where not, UserError or OSError unless they can be written: before anything is downloaded.
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
    except UserError:  # damaged: it is fetched anew
        return False


def describe_pack(path: Path, *, is_new: bool) -> FetchedPack:
    """What a fetched pack holds. A second's work."""
    source, made = open_pack_source(path), read_json(path / "pack.json")["made"]
    array = source.pixels
    assert array is not None
    packed = PackSummary(array.shape, source.classes, source.splits, ())
    duplicates = find_duplicates({k: fingerprint_picture(pixels) for k, pixels in enumerate(array)})
    n_leaks = len(find_leaks(duplicates, packed.splits))
    content, license = made["content"], made["license"]
    return FetchedPack(path, packed, content, license, duplicates, n_leaks, is_new)
