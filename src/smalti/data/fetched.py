"""Packs of what was fetched: written once, found again, and described."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from smalti.core.brief import brief
from smalti.core.errors import UserError
from smalti.core.folders import check_free, check_writable, folder_for
from smalti.data.decode import Look
from smalti.data.duplicates import Duplicates, find_duplicates, leaks, print_of
from smalti.data.files import quiet_pillow
from smalti.data.gather import Progress, gathered
from smalti.data.packing import Packed, write_pack
from smalti.data.packs import FILES, is_pack, pack_source, read_json
from smalti.data.source import SPLITS, Source, Split

Made = tuple[Source, Look, Mapping[Split, np.ndarray], Mapping[str, Any]]
"""Of a pack: its pictures, their look, the rows of each split, and what is noted with it: "content"
at least."""


@dataclass(frozen=True)
@brief
class Fetched:
    """A pack, and what stands in it twice."""

    path: Path
    packed: Packed
    content: str
    """What it holds, in words: "1,212 emoji with their variants"."""
    licence: str
    duplicates: Duplicates
    leaking: int
    """Pairs, equal or nearly so, of which the two sides stand in different splits."""
    is_new: bool = True
    """False for a pack that was here already, so that nothing was downloaded."""

    @property
    def distinct(self) -> int:
        """Pictures of different pixels."""
        return self.packed.shape[0] - self.duplicates.copies


def without_leaks(
    source: Source, look: Look, rows: Mapping[Split, np.ndarray]
) -> dict[Split, np.ndarray]:
    """The rows of each split without what is nearly the same as a row of a later split.

    Equal pictures of one class, which have several names then, are taken once.
    """
    pictures, _ = gathered(source, look)
    labels = np.zeros(len(source), np.int64) if source.labels is None else source.labels
    rank = {int(row): SPLITS.index(split) for split, part in rows.items() for row in part}
    found = find_duplicates({k: print_of(pictures.pixels[k].numpy()) for k in rank})
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
    how: Mapping[str, Any],
    make: Callable[[Path], Iterable[Made]],
    progress: Progress | None,
) -> list[Fetched]:
    """The packs at `paths`: as they lie there where they were made so, else brought and written.

    make: downloads into a temporary folder, and gives what each pack is made of.
    """
    if are_fetched(paths, how):
        return [describe(path, is_new=False) for path in paths]
    packs: list[Fetched] = []
    with TemporaryDirectory(prefix="smalti-") as name, quiet_pillow():
        for path, (source, look, rows, more) in zip(paths, make(Path(name)), strict=True):
            with folder_for(path, FILES) as folder:
                named = replace(source, name=path.name)
                write_pack(folder, named, look, {**rows}, {**how, **more}, progress=progress)
            packs.append(describe(path, is_new=True))
    return packs


def are_fetched(paths: Sequence[Path], how: Mapping[str, Any]) -> bool:
    """Whether packs that were made so lie at all these paths.

    Where not, UserError or OSError unless they can be written: before anything is downloaded.
    """
    if all(is_fetched(path, how) for path in paths):
        return True
    for path in paths:
        check_free(path, FILES)
    check_writable(paths[0].parent)
    return False


def is_fetched(path: Path, how: Mapping[str, Any]) -> bool:
    if not is_pack(path):
        return False
    try:
        made = read_json(path / "pack.json").get("made", {})
        return "content" in made and all(made.get(key) == value for key, value in how.items())
    except UserError:  # damaged: it is fetched anew
        return False


def describe(path: Path, *, is_new: bool) -> Fetched:
    """What a fetched pack holds. A second's work."""
    source, made = pack_source(path), read_json(path / "pack.json")["made"]
    array = source.array
    assert array is not None
    packed = Packed(array.shape, source.classes, source.splits, ())
    duplicates = find_duplicates({k: print_of(pixels) for k, pixels in enumerate(array)})
    leaking = len(leaks(duplicates, packed.splits))
    content, licence = made["content"], made["licence"]
    return Fetched(path, packed, content, licence, duplicates, leaking, is_new)
