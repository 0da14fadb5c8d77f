"""Write a pack: every picture is decoded once, with few in memory at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np

from smalti.core.errors import UserError
from smalti.core.folders import stage_folder
from smalti.core.short_repr import add_short_repr
from smalti.data.decode import BadPicture, Color, Crop, Preprocessing, make_preprocessing
from smalti.data.decode_all import KeptRows, ProgressCallback, decode_into
from smalti.data.deduplication import find_unique_rows, select_source
from smalti.data.grouping import Groups, describe_divided, find_groups, split_groups
from smalti.data.packs import FILES, FORMAT, archive_pack, is_pack
from smalti.data.source import SPLITS, Source, make_split_ranges
from smalti.data.splitting import (
    describe_untrained,
    draw_permutation,
    ensure_train_classes,
    find_untrained_classes,
)

BLOCK_BYTES = 1 << 24  # bytes copied at a time


@dataclass(frozen=True)
@add_short_repr
class PackSummary:
    """A written pack."""

    shape: tuple[int, int, int, int]
    """(N, C, H, W)."""
    classes: tuple[str, ...]
    splits: dict[str, range]
    bad: tuple[BadPicture, ...]
    """Pictures that were skipped."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""


class NpySink:
    """Appends pictures to a .npy file; gray until the first colored one."""

    def __init__(self, path: Path):
        self.path, self.count = path, 0
        self.shape: tuple[int, int, int] = (1, 0, 0)
        self.file: BinaryIO = path.open("wb")

    def append(self, picture: np.ndarray) -> None:
        if not self.count:
            C, H, W = picture.shape
            self.shape = (C, H, W)
            self._write_header()
        if len(picture) > self.shape[0]:
            self._expand_channels(len(picture))
        if len(picture) < self.shape[0]:
            picture = np.repeat(picture, self.shape[0], axis=0)
        self.file.write(np.ascontiguousarray(picture).tobytes())
        self.count += 1

    def close(self) -> None:
        """Write the final count and sync the file to disk."""
        with self.file:  # also closed on a full disk
            if self.count:
                self.file.seek(0)
                self._write_header()
            self.file.flush()
            os.fsync(self.file.fileno())

    def _write_header(self) -> None:
        # NumPy pads the header so that its length is the same for any N
        shape = (self.count, *self.shape)
        fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, fields)

    def _expand_channels(self, C: int) -> None:
        """Rewrite all pictures in C channels."""
        self.close()
        gray = np.load(self.path, mmap_mode="r")
        colored = NpySink(self.path.with_suffix(".colored"))
        colored.shape = (C, self.shape[1], self.shape[2])
        colored._write_header()
        step = max(1, BLOCK_BYTES // gray[0].nbytes)
        for k in range(0, len(gray), step):
            colored.file.write(np.repeat(gray[k : k + step], C, axis=1).tobytes())
        del gray
        os.replace(colored.path, self.path)
        self.file, self.shape = colored.file, colored.shape


def pack(
    path: str | Path,
    out: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    color: Color = "keep",
    background: str | tuple[int, ...] = "white",
    crop: Crop = True,
    labels: bool = True,
    skip_bad: bool = False,
    valid: float = 0.05,
    test: float = 0.0,
    seed: int = 0,
    unique: bool = False,
    group_by: str | None = None,
    progress: ProgressCallback | None = None,
) -> PackSummary:
    """Decode a dataset once, into the pack `out`.

    path, size ... skip_bad, progress: as for `smalti.data.read`; a pack can be repacked at another
    size.
    out: a folder, or a compressed archive if it ends in .zip.  It appears when it is complete and
    replaces an older pack, but not the one that is read.
    valid, test: fractions to hold out if the data have no splits, chosen like `Pictures.split`.
    unique: drop pictures that are exact or near copies of others; notes say how many.
    group_by: a regular expression; pictures in whose names (paths inside the folder) it finds the
    same stay in one split.
    Raises UserError as `smalti.data.read` does, and if nothing is left to train on.
    """
    from smalti.data.reading import open_source  # which reads packs

    preprocessing = make_preprocessing(size, color, background, crop)
    out_path = Path(out).resolve()
    if Path(path).resolve() == out_path and is_pack(out_path):
        raise UserError(f"{out} is the input pack; choose another folder for the output")
    with open_source(path, labels=labels) as source, open_pack_folder(Path(out)) as folder:
        provenance: dict[str, Any] = {"valid": valid, "test": test, "seed": seed}
        groups, notes = None, ()
        if group_by is not None:
            groups = find_groups(source, group_by)
            provenance["group_by"] = group_by
        if unique:
            kept = find_unique_rows(source, preprocessing, progress)
            source, notes = select_source(source, kept.rows), (str(kept),)
            groups = groups and groups.select(kept.rows)
            provenance["unique"] = {"exact": kept.exact, "near": kept.near}
        rows = split_rows(source, valid, test, seed, groups)
        if groups is not None:
            divided = describe_divided(groups, rows)
            notes = (*notes, divided or f"grouped by names: {groups}")
        packed = write_pack(
            folder, source, preprocessing, rows, provenance, skip_bad=skip_bad, progress=progress
        )
    return replace(packed, notes=(*notes, *packed.notes))


@contextmanager
def open_pack_folder(out: Path) -> Iterator[Path]:
    """Open a temporary folder for a pack that becomes `out`: a folder, or a .zip archive."""
    if out.suffix.lower() != ".zip":
        with stage_folder(out, FILES) as folder:
            yield folder
        return
    if out.is_dir() or (out.exists() and not is_pack(out)):
        raise UserError(f"{out} is not a pack and would be overwritten; choose another name")
    with TemporaryDirectory(prefix="smalti-") as name:
        yield Path(name)
        out.parent.mkdir(parents=True, exist_ok=True)
        archive_pack(Path(name), out)


def write_pack(
    folder: Path,
    source: Source,
    preprocessing: Preprocessing,
    splits: dict[str, np.ndarray],
    provenance: dict[str, Any],
    *,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
) -> PackSummary:
    """Write a source as a pack into an empty folder.

    splits: the rows of each.  provenance: further entries of the pack's record.
    """
    rows = np.concatenate([splits[s] for s in SPLITS if s in splits])
    sink = NpySink(folder / "pixels.npy")
    try:
        kept = decode_into(source, rows, preprocessing, sink, skip_bad=skip_bad, progress=progress)
    finally:
        sink.close()
    ranges = find_kept_ranges(kept, splits)
    if source.labels is not None:
        np.save(folder / "labels.npy", source.labels[kept.rows])
    made = {
        "from": source.name,
        "size": preprocessing.size or sink.shape[1:],
        "color": preprocessing.color,
        "background": preprocessing.background,
        "crop": preprocessing.center_crop or preprocessing.crop,
        **source.origin,
        **provenance,
        "left_out": len(kept.bad),
    }
    content = {
        "format": FORMAT,
        "name": source.name,
        "classes": source.classes,
        "splits": {split: [part.start, part.stop] for split, part in ranges.items()},
        "made": made,
    }
    if source.captions:
        content["captions"] = [source.captions[k] for k in kept.rows.tolist()]
    if source.attributes:
        content["attributes"] = {
            name: [words[k] for k in kept.rows.tolist()]
            for name, words in source.attributes.items()
        }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    (folder / "pack.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    notes = collect_notes(source, {s: kept.rows[r.start : r.stop] for s, r in ranges.items()})
    return PackSummary((sink.count, *sink.shape), source.classes, ranges, kept.bad, notes)


def collect_notes(source: Source, splits: Mapping[str, Iterable[int]]) -> tuple[str, ...]:
    """Collect the messages about a source with the given splits."""
    note = describe_untrained(find_untrained_classes(source.labels, source.classes, splits))
    return (*source.notes, note) if note else source.notes


def split_rows(
    source: Source, valid: float, test: float, seed: int, groups: Groups | None = None
) -> dict[str, np.ndarray]:
    """Choose the rows of each split: predefined ones if there are any, else by seed.

    groups: of all pictures; whole ones are held out, of about as many pictures.
    If the data have a test split but no validation split, that is taken from the training rows.
    """
    for name, part in (("valid", valid), ("test", test)):
        if not 0 <= part < 1:
            raise UserError(f"{name} is {part:g}; give a fraction from 0 to less than 1")
    predefined = {split: np.arange(part.start, part.stop) for split, part in source.splits.items()}
    if "valid" in predefined:
        return predefined
    train = predefined.get("train", np.arange(len(source)))
    order = train[draw_permutation(len(train), seed)]
    a = max(1, round(valid * len(train))) if valid else 0
    b = a + (max(1, round(test * len(train))) if test and "test" not in predefined else 0)
    if b >= len(order):
        raise UserError(
            f"{source.name} holds {len(order)} training pictures, of which {b} would be held out; "
            "hold out fewer, or add pictures"
        )
    if groups is None:
        parts = ensure_train_classes([order[b:], order[:a], order[a:b]], source.labels)
    else:
        labels = None if source.labels is None else source.labels[train]
        own = split_groups(groups.select(train), [a, b - a], labels, seed)
        parts = [train[part] for part in own]
    rest, first, second = parts
    selected = {**{"valid": first, "test": second}, **predefined, "train": rest}
    return {split: np.sort(selected[split]) for split in SPLITS if len(selected.get(split, ()))}


def find_kept_ranges(kept: KeptRows, splits: dict[str, np.ndarray]) -> dict[str, range]:
    """Compute the row ranges of the splits after pictures were skipped."""
    counts = {s: int(np.isin(splits[s], kept.rows).sum()) for s in SPLITS if s in splits}
    whole = make_split_ranges({split: n for split, n in counts.items() if n})
    return whole if len(whole) > 1 and "train" in whole else {}
