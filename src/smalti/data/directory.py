"""A folder of pictures of any format, size and colour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smalti.data.arrangement import arranged
from smalti.data.decode import Colour, look_of
from smalti.data.files import find_pictures, open_image
from smalti.data.gather import Progress, gathered, quiet_pillow
from smalti.data.pictures import Pictures
from smalti.data.sidecar import beside, captions_of
from smalti.data.source import Source


def folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = 32,
    colour: Colour = "keep",
    background: str | tuple[int, ...] = "white",
    crop: bool = True,
    labels: bool = True,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Pictures:
    """All pictures in a folder and its subfolders, sorted by path, read into memory once.

    size: (H, W) in pixels, one number for a square, None to keep a size that all share.
    colour: "keep" gives one channel when every picture is grey and three otherwise.
    background: what shows through transparent pixels: a colour's name or bytes (r, g, b).
    crop: cut the centre to the aspect ratio of `size`; False squeezes the whole picture.
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
    found = find_pictures(root)
    folders = arranged([path.relative_to(root).parts for path in found], labels=labels)
    paths = [found[k] for k in folders.order]
    return Source(
        name=root.resolve().name,
        titles=[str(path) for path in paths],
        opened=lambda k: open_image(paths[k]),
        labels=folders.labels,
        classes=folders.classes,
        captions=captions_of(written(Path(beside(str(path)))) for path in paths),
        splits=folders.splits,
    )


def written(path: Path) -> tuple[str, Callable[[], bytes] | None]:
    return str(path), path.read_bytes if path.is_file() else None
