"""One way in: whatever the pictures lie in, read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch

from smalti.core.errors import UserError
from smalti.core.messages import find_like, list_beside
from smalti.core.size import show_size
from smalti.data.archive import is_zip, zip_source
from smalti.data.decode import Colour, Crop, Look, look_of
from smalti.data.files import check_plain, quiet_pillow
from smalti.data.finding import folder_source
from smalti.data.gather import Progress, gathered
from smalti.data.hub import PREFIX, hub_source
from smalti.data.idx import idx_source, image_files, is_idx
from smalti.data.keyed import is_lmdb, lmdb_source
from smalti.data.npz import npz_source
from smalti.data.packs import home, is_pack, pack_source
from smalti.data.pictures import Pictures, Splits
from smalti.data.source import SPLITS, Source, Split, lay_out
from smalti.data.splitting import unlearned_classes, unlearned_note

VALID = 0.05  # share that is held out where the data come without splits
FETCHED = {  # packs by name -> what fetches them
    "emoji-32": "emoji",
    "emoji-64": "emoji",
    "emoji4-32": "emoji4",
    "emoji4-64": "emoji4",
    "emoji4-flags-64": "emoji4",
    "letters-32": "letters",
    "textures-128": "textures",
    "textures-free-128": "textures",
}


def read(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    colour: Colour = "keep",
    background: str | tuple[int, ...] = "white",
    crop: Crop = True,
    labels: bool = True,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Pictures:
    """All pictures at `path`, its splits one behind the other.

    path: a folder, a zip archive, a .npz, an IDX file or a folder of MNIST's four, an LMDB,
    hf:NAME for a data set of the Hugging Face hub, a pack, or the name of a fetched one.
    size: (H, W) in pixels, one number for a square, None to keep a size that all share.
    colour: "keep" gives one channel when every picture is grey and three otherwise.
    background: what shows through transparent pixels: a colour's name or bytes (r, g, b).
    crop: cut the centre to the aspect ratio of `size`; False squeezes the whole picture; a size
    (one number or (H, W)) cuts that many pixels out of the centre first.
    labels: when the pictures of a folder or an archive lie in two or more subfolders and nowhere
    else, those are the classes, unless they are called train, valid and test: then they are splits,
    and classes lie below.  A text file `cat.txt` beside `cat.png` is its caption.
    skip_bad: leave out pictures that cannot be used, with a warning, instead of refusing all.
    progress: called as progress(done, all) after each picture.
    EXIF orientation is applied, animations give their first frame, 16-bit grey is scaled.  A pack
    is mapped, not read, and has one size.
    Raises UserError, naming the file, for whatever cannot be used.
    """
    look = look_of(size, colour, background, crop)
    with opened_source(path, labels=labels) as source:
        check_size_of(source, look, path)
        return gathered(source, look, skip_bad=skip_bad, progress=progress)[0]


folder = read  # the name that folders had before all could be read


def read_splits(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    colour: Colour = "keep",
    background: str | tuple[int, ...] = "white",
    crop: Crop = True,
    labels: bool = True,
    captions: bool = False,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Splits:
    """The pictures at `path` in the data's own splits, or with a twentieth held out by a seed.

    What is held out then is `valid`, always the same, and leaves a picture of every class to train
    on; `test` is None.  captions: they are learned from, so that none and one that cannot be read
    are a UserError; otherwise that is empty, and counted in the notes.  The rest is as in `read`.
    """
    look = look_of(size, colour, background, crop)
    with opened_source(path, labels=labels) as source:
        check_size_of(source, look, path)
        if captions:
            check_captions(source, path)
        pictures, kept = gathered(source, look, skip_bad=skip_bad, progress=progress)
        parts = {s: part_of(pictures, kept.rows, r, s) for s, r in source.splits.items()}
    parts = {split: part for split, part in parts.items() if len(part)} if parts else {}
    train = parts.get("train", pictures)
    if "valid" not in parts:
        if len(train) < 2:
            raise UserError(f"{path} holds {len(train)} picture; training needs 2 or more")
        train, parts["valid"] = train.split(max(1, round(VALID * len(train))), seed=0)
    note = unlearned_note(unlearned({**parts, "train": train}))
    notes = (*source.notes, note) if note else source.notes
    return Splits(train, parts["valid"], parts.get("test"), notes)


def unlearned(parts: dict[str, Pictures]) -> dict[str, tuple[str, ...]]:
    """Classes that have pictures and none to train on, each with the splits that these stand in."""
    labels = [part.labels for part in parts.values() if part.labels is not None]
    if len(labels) < len(parts):
        return {}
    rows = lay_out({split: len(part) for split, part in parts.items()})
    return unlearned_classes(torch.cat(labels).numpy(), parts["train"].classes, rows)


def check_captions(source: Source, path: str | Path) -> None:
    """UserError unless there are captions to learn from, and all of them can be read."""
    if bad := source.bad_captions:
        raise UserError(f"{bad[0]} ({len(bad)} of {len(source)} captions cannot be read)")
    if not source.captions:
        raise UserError(
            f"{path} has no captions, which are learned from; put them into text files beside the "
            "pictures (cat.txt for cat.png)"
        )


def part_of(pictures: Pictures, rows: np.ndarray, wanted: range, name: str) -> Pictures:
    """The pictures whose rows lie in a range; `rows` ascends."""
    start, stop = np.searchsorted(rows, [wanted.start, wanted.stop]).tolist()
    return pictures.part(slice(start, stop), name)


@contextmanager
def opened_source(path: str | Path, *, labels: bool = True) -> Iterator[Source]:
    """What lies at `path`, open until the block ends."""
    with quiet_pillow(), closing(source_at(path, labels=labels)) as source:
        yield source


def source_at(path: str | Path, *, labels: bool = True) -> Source:
    """The reader that suits what lies there. UserError when none does."""
    if str(path).startswith(PREFIX):
        return hub_source(str(path), labels=labels)
    place = located(path)
    if is_pack(place):
        return pack_source(place, labels=labels)
    if place.is_dir():
        if is_lmdb(place):
            return lmdb_source(place, labels=labels)
        if "train" in image_files(place):
            return idx_source(place, labels=labels)
        return folder_source(place, labels=labels)
    if place.suffix.lower() == ".npz":
        return npz_source(place, labels=labels)
    if is_zip(place):
        return zip_source(place, labels=labels)
    if is_idx(place):
        return idx_source(place, labels=labels)
    if is_lmdb(place):
        return lmdb_source(place, labels=labels)
    raise UserError(
        f"{place} is a file that holds no set of pictures; give a folder, a .zip, a .npz, an IDX "
        "file, an LMDB or a pack"
    )


def located(path: str | Path) -> Path:
    """The path as it stands, or where the data of that name were fetched to."""
    if not str(path):
        raise UserError("the path is empty; name a folder, an archive or a pack of pictures")
    place = expanded(path)
    if place.exists():
        check_plain(place)
        return place
    if str(path) in FETCHED:
        fetched = home() / str(path)
        if fetched.exists():
            return fetched
        raise UserError(f"{path} is not here yet; run `smalti fetch {FETCHED[str(path)]}`")
    like = find_like(str(path), [*FETCHED, *list_beside(place)])
    wanted = "give a folder, an archive or a pack of pictures"
    raise UserError(f"{place} does not exist; {like or wanted}")


def expanded(path: str | Path) -> Path:
    """The path with ~ for its user's home, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def check_size_of(source: Source, look: Look, path: str | Path) -> None:
    """UserError when a pack is wanted in another size than it was made in: pack it again."""
    if source.size is not None and look.size not in (None, source.size):
        (h, w), (H, W) = source.size, look.size or source.size
        raise UserError(
            f"{path} is packed at {h} x {w} pixels and wanted at {H} x {W}; give --size "
            f"{show_size((h, w))}, or pack the pictures in that size"
        )


def size_of(path: str | Path) -> tuple[int, int] | None:
    """(H, W) of a pack, which has one; None for pictures that are brought to any size."""
    if str(path).startswith(PREFIX):
        return None
    place = located(path)
    return pack_source(place).size if is_pack(place) else None


def lasting(path: str) -> str:
    """The path, or the name of a set, so that it can be read from any working folder."""
    place = expanded(path)
    return str(place.resolve()) if place.exists() else path


def emoji_pictures(split: Split, size: int = 64) -> Pictures:
    """Google's emoji on white, RGB, with their category as class and their name as caption.

    size: 32 or 64.  All variants of one emoji (skin tone, gender, hair) stand in one split.
    UserError until `smalti fetch emoji` has run.
    """
    if split not in SPLITS:
        raise UserError(f"the emoji have no split {split!r}; give 'train', 'valid' or 'test'")
    if size not in (32, 64):
        raise UserError(f"the emoji are not packed at size {size!r}; give 32 or 64")
    return getattr(read_splits(f"emoji-{size}", size=None), split)
