"""A folder of pictures of any format, size and colour."""

from __future__ import annotations

from pathlib import Path

from smalti.data.arrangement import arranged
from smalti.data.decode import Colour, Crop, look_of
from smalti.data.files import open_image, printable, quiet_pillow
from smalti.data.finding import join, sift_folder
from smalti.data.gather import Progress, gathered
from smalti.data.pictures import Pictures
from smalti.data.sidecar import caption_path, read_captions
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
