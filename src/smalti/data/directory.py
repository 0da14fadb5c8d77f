"""A folder of pictures of any format, size and colour."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from smalti.core.errors import UserError
from smalti.data.arrangement import arranged
from smalti.data.decode import Colour, Crop, look_of
from smalti.data.files import open_image, printable, read_start
from smalti.data.gather import Progress, gathered, quiet_pillow
from smalti.data.pictures import Pictures
from smalti.data.sidecar import caption_path, read_captions
from smalti.data.sifting import Entry, Sifted, is_hidden, sift
from smalti.data.source import Source


def folder(
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
    """All pictures in a folder and its subfolders, sorted by path, read into memory once.

    size: (H, W) in pixels, one number for a square, None to keep a size that all share.
    colour: "keep" gives one channel when every picture is grey and three otherwise.
    background: what shows through transparent pixels: a colour's name or bytes (r, g, b).
    crop: cut the centre to the aspect ratio of `size`; False squeezes the whole picture; a size
    (one number or (H, W)) cuts that many pixels out of the centre first.
    labels: when the pictures lie in two or more subfolders and nowhere else, those are the classes,
    unless they are called train, valid and test: then they are splits, and classes lie below.
    A text file `cat.txt` beside `cat.png` is its caption.
    skip_bad: leave out pictures that cannot be used, with a warning, instead of refusing all.
    progress: called as progress(done, all) after each picture.
    EXIF orientation is applied, animations give their first frame, 16-bit grey is scaled.
    Raises UserError, naming the file, for whatever cannot be used.
    """
    look = look_of(size, colour, background, crop)
    with quiet_pillow():
        source = folder_source(Path(path).expanduser(), labels=labels)
        return gathered(source, look, skip_bad=skip_bad, progress=progress)[0]


def folder_source(root: Path, *, labels: bool = True) -> Source:
    """The pictures below `root`, found and not yet opened. UserError when there are none."""
    found = sift_folder(root)
    parts = [entry.parts for entry in found.pictures]
    folders = arranged(parts, labels=labels)
    parts = [parts[k] for k in folders.order]
    paths = [join(root, p) for p in parts]
    texts = [found.captions.get(p) for p in parts]
    captions = read_captions(
        (printable(join(root, caption_path(p))), text and text.read)
        for p, text in zip(parts, texts, strict=True)
    )
    return Source(
        name=printable(root.resolve().name),
        titles=[*map(printable, paths)],
        opened=lambda k: open_image(Path(paths[k])),
        labels=folders.labels,
        classes=folders.classes,
        captions=captions.texts,
        bad_captions=captions.faults,
        splits=folders.splits,
        passed=found.passed,
    )


def find_pictures(root: Path) -> list[Path]:
    """The pictures in and below `root`, sorted by their path from there, as `sift` tells them.

    UserError when root is missing, is no folder or holds no picture.
    """
    return [root.joinpath(*entry.parts) for entry in sift_folder(root).pictures]


def sift_folder(root: Path) -> Sifted:
    """The pictures in and below `root` and what is passed over there, sorted by path."""
    if not root.exists():
        raise UserError(f"{root} does not exist; give a folder of pictures")
    if not root.is_dir():
        raise UserError(f"{root} is a file; give the folder that holds the pictures")
    entries = sorted(_entries(root), key=lambda entry: entry.parts)
    found = sift(entries)
    if not found.pictures:
        others = f" (passed over: {found.passed})" if str(found.passed) else ""
        raise UserError(f"{root} holds no pictures{others}; put PNG or JPEG files into it")
    return found


def join(root: Path, parts: tuple[str, ...]) -> str:
    """As str(root.joinpath(*parts)), which takes long for many."""
    return os.path.join("" if str(root) == "." else str(root), *parts)


def _entries(root: Path) -> Iterator[Entry]:
    seen = {os.path.realpath(root)}  # links are followed, so one may lead back
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_refuse):
        parts = () if folder == str(root) else Path(folder).relative_to(root).parts
        yield from (Entry((*parts, n), kind="folder") for n in subfolders if is_hidden(n))
        shown = [n for n in sorted(subfolders) if not is_hidden(n)]
        new = {n: os.path.realpath(os.path.join(folder, n)) for n in shown}
        subfolders[:] = [n for n, real in new.items() if real not in seen]
        seen.update(new[n] for n in subfolders)
        for name in names:
            path = os.path.join(folder, name)
            yield Entry((*parts, name), partial(read_start, path), _kind(path))


def _kind(path: str) -> Literal["file", "device"]:
    try:
        return "file" if stat.S_ISREG(os.stat(path).st_mode) else "device"
    except OSError:
        return "file"  # a broken link, or no permission: reading it will say so


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename} cannot be listed ({error.strerror}); check its permissions")
