"""Read pictures from any supported dataset format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch

from smalti.core.errors import UserError
from smalti.core.messages import list_siblings, suggest_similar
from smalti.core.size import format_size
from smalti.data.decode import Color, Crop, Preprocessing, make_preprocessing
from smalti.data.decode_all import ProgressCallback, load_pictures
from smalti.data.grouping import Groups, describe_divided, find_groups, split_groups
from smalti.data.hub import HUB_PREFIX, open_hub_source
from smalti.data.idx import find_image_files, is_idx, open_idx_source
from smalti.data.lmdb_source import is_lmdb, open_lmdb_source
from smalti.data.npz import open_npz_source
from smalti.data.packs import find_data_home, is_pack, open_pack_source
from smalti.data.picture_folder import open_folder_source
from smalti.data.picture_formats import check_not_device, suppress_pillow_warnings
from smalti.data.pictures import Pictures, Splits
from smalti.data.source import SPLITS, Source, Split, make_split_ranges
from smalti.data.splitting import describe_untrained, find_untrained_classes
from smalti.data.zip_archive import is_zip, open_zip_source

VALID_FRACTION = 0.05  # held out if the data have no splits
FETCH_COMMANDS = {  # pack -> argument of `smalti fetch`
    "emoji-32": "emoji",
    "emoji-64": "emoji",
    "emoji4-32": "emoji4",
    "emoji4-64": "emoji4",
    "emoji4-flags-64": "emoji4",
    "fluent-128": "emoji4",
    "letters-32": "letters",
    "textures-128": "textures",
    "textures-free-128": "textures",
}


def read(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    color: Color = "keep",
    background: str | tuple[int, ...] = "white",
    crop: Crop = True,
    labels: bool = True,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
) -> Pictures:
    """Read all pictures at `path`, its splits concatenated.

    path: a folder, a zip archive, a .npz, an IDX file or a folder of MNIST's four, an LMDB,
    hf:NAME for a dataset of the Hugging Face hub, a pack, or the name of a fetched one.
    size: (H, W) in pixels, one number for a square, None to keep a size that all share.
    color: "keep" gives one channel if every picture is gray and three otherwise.
    background: shown through transparent pixels: a color name or bytes (r, g, b).
    crop: True crops the center to the aspect ratio of `size`; False stretches the whole picture; a
    size (one number or (H, W)) cuts that many pixels out of the center first.
    labels: if all pictures of a folder or an archive are in two or more subfolders, those are the
    classes; subfolders named train, valid and test are splits, with classes below.  A text file
    `cat.txt` next to `cat.png` is its caption.
    skip_bad: skip pictures that cannot be used, with a warning, instead of raising.
    progress: called as progress(done, total) after each picture.
    EXIF orientation is applied, the first frame of an animation is used, 16-bit gray is scaled.  A
    pack is memory-mapped and has one size.
    Raises UserError, naming the file, if something cannot be used.
    """
    preprocessing = make_preprocessing(size, color, background, crop)
    with open_source(path, labels=labels) as source:
        check_pack_size(source, preprocessing, path)
        return load_pictures(source, preprocessing, skip_bad=skip_bad, progress=progress)[0]


folder = read  # the older name


def read_splits(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    color: Color = "keep",
    background: str | tuple[int, ...] = "white",
    crop: Crop = True,
    labels: bool = True,
    captions: bool = False,
    skip_bad: bool = False,
    progress: ProgressCallback | None = None,
    group_by: str | None = None,
) -> Splits:
    """Read the pictures at `path` in predefined splits, or with 5 % held out at random.

    The random `valid` split is always the same and leaves every class a training picture; `test` is
    None.  captions: require captions, so that missing or unreadable ones raise UserError; otherwise
    unreadable ones are empty and counted in the notes.  group_by: a regular expression; pictures in
    whose names (paths inside the folder) it finds the same are on one side of the random split.
    Other parameters are those of `read`.
    """
    preprocessing = make_preprocessing(size, color, background, crop)
    with open_source(path, labels=labels) as source:
        check_pack_size(source, preprocessing, path)
        if captions:
            check_captions(source, path)
        groups = None if group_by is None else find_groups(source, group_by)
        pictures, kept = load_pictures(source, preprocessing, skip_bad=skip_bad, progress=progress)
        parts = {s: select_range(pictures, kept.rows, r, s) for s, r in source.splits.items()}
        groups = None if groups is None else groups.select(kept.rows)
    parts = {split: part for split, part in parts.items() if len(part)} if parts else {}
    train, is_split = parts.get("train", pictures), "valid" in parts
    if not is_split:
        if len(train) < 2:
            raise UserError(f"{path} holds {len(train)} picture; training needs at least 2")
        train, parts["valid"] = hold_out(train, groups)
    notes = [*source.notes]
    if groups is not None:  # rows are in the order of the splits
        ranges = make_split_ranges({s: len(parts[s]) for s in SPLITS if s in parts})
        notes.append(
            describe_divided(groups, ranges) if is_split else f"grouped by names: {groups}"
        )
    notes.append(describe_untrained(find_untrained_in_splits({**parts, "train": train})))
    return Splits(train, parts["valid"], parts.get("test"), tuple(filter(None, notes)))


def hold_out(train: Pictures, groups: Groups | None) -> tuple[Pictures, Pictures]:
    """Hold out some of the training pictures for validation; of groups, whole ones.

    groups: of all pictures, of which the training ones come first.
    """
    n = max(1, round(VALID_FRACTION * len(train)))
    if groups is None:
        return train.split(n, seed=0)
    labels = None if train.labels is None else train.labels.numpy()
    own = groups.select(np.arange(len(train)))
    rest, held = (torch.from_numpy(rows) for rows in split_groups(own, [n], labels, seed=0))
    return train.select(rest, "train"), train.select(held, "valid")


def find_untrained_in_splits(parts: dict[str, Pictures]) -> dict[str, tuple[str, ...]]:
    """Find classes without training pictures, and the splits that contain them."""
    labels = [part.labels for part in parts.values() if part.labels is not None]
    if len(labels) < len(parts):
        return {}
    rows = make_split_ranges({split: len(part) for split, part in parts.items()})
    return find_untrained_classes(torch.cat(labels).numpy(), parts["train"].classes, rows)


def check_captions(source: Source, path: str | Path) -> None:
    """Raise UserError unless there are captions and all of them can be read."""
    if bad := source.bad_captions:
        raise UserError(f"{bad[0]} ({len(bad)} of {len(source)} captions cannot be read)")
    if not source.captions:
        raise UserError(
            f"{path} has no captions, but this recipe needs them; put them into text files next to "
            "the pictures (cat.txt for cat.png)"
        )


def select_range(pictures: Pictures, rows: np.ndarray, span: range, name: str) -> Pictures:
    """Select the pictures whose rows are in a range; `rows` ascends."""
    start, stop = np.searchsorted(rows, [span.start, span.stop]).tolist()
    return pictures.select(slice(start, stop), name)


@contextmanager
def open_source(path: str | Path, *, labels: bool = True) -> Iterator[Source]:
    """Open the source at `path` until the block ends."""
    with suppress_pillow_warnings(), closing(make_source(path, labels=labels)) as source:
        yield source


def make_source(path: str | Path, *, labels: bool = True) -> Source:
    """Make a source with the reader for the format of `path`. Raises UserError if none fits."""
    if str(path).startswith(HUB_PREFIX):
        return open_hub_source(str(path), labels=labels)
    location = resolve_path(path)
    if is_pack(location):
        return open_pack_source(location, labels=labels)
    if location.is_dir():
        if is_lmdb(location):
            return open_lmdb_source(location, labels=labels)
        if "train" in find_image_files(location):
            return open_idx_source(location, labels=labels)
        return open_folder_source(location, labels=labels)
    if location.suffix.lower() == ".npz":
        return open_npz_source(location, labels=labels)
    if is_zip(location):
        return open_zip_source(location, labels=labels)
    if is_idx(location):
        return open_idx_source(location, labels=labels)
    if is_lmdb(location):
        return open_lmdb_source(location, labels=labels)
    raise UserError(
        f"{location} is not a supported dataset; give a folder, a .zip, a .npz, an IDX file, an "
        "LMDB or a pack"
    )


def resolve_path(path: str | Path) -> Path:
    """Resolve a path, or the name of a fetched dataset, to an existing path."""
    if not str(path):
        raise UserError("the path is empty; give a folder, an archive or a pack of pictures")
    location = expand_home(path)
    if location.exists():
        check_not_device(location)
        return location
    if str(path) in FETCH_COMMANDS:
        fetched = find_data_home() / str(path)
        if fetched.exists():
            return fetched
        raise UserError(
            f"{path} is not downloaded yet; run `smalti fetch {FETCH_COMMANDS[str(path)]}`"
        )
    suggestion = suggest_similar(str(path), [*FETCH_COMMANDS, *list_siblings(location)])
    hint = "give a folder, an archive or a pack of pictures"
    raise UserError(f"{location} does not exist; {suggestion or hint}")


def expand_home(path: str | Path) -> Path:
    """Expand ~, if that user exists."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def check_pack_size(source: Source, preprocessing: Preprocessing, path: str | Path) -> None:
    """Raise UserError if the requested size is not that of the pack."""
    if source.size is not None and preprocessing.size not in (None, source.size):
        (h, w), (H, W) = source.size, preprocessing.size or source.size
        raise UserError(
            f"{path} is packed at {h} x {w} pixels, but {H} x {W} is requested; give --size "
            f"{format_size((h, w))}, or pack the pictures at that size"
        )


def read_size(path: str | Path) -> tuple[int, int] | None:
    """Read (H, W) of a pack; None for data that are resized when read."""
    if str(path).startswith(HUB_PREFIX):
        return None
    location = resolve_path(path)
    return open_pack_source(location).size if is_pack(location) else None


def to_absolute_path(path: str) -> str:
    """Make a path absolute; the name of a dataset stays."""
    location = expand_home(path)
    return str(location.resolve()) if location.exists() else path


def emoji_pictures(split: Split, size: int = 64) -> Pictures:
    """Load Google's emoji on white, RGB, with category as class and name as caption.

    size: 32 or 64.  All variants of an emoji (skin tone, gender, hair) are in one split.
    Raises UserError until `smalti fetch emoji` has run.
    """
    if split not in SPLITS:
        raise UserError(f"the emoji have no split {split!r}; give 'train', 'valid' or 'test'")
    if size not in (32, 64):
        raise UserError(f"the emoji are not packed at size {size!r}; give 32 or 64")
    return getattr(read_splits(f"emoji-{size}", size=None), split)
