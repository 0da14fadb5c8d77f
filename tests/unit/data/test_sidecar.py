"""Captions in text files next to pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smalti.data import pack, read, read_splits
from smalti.data.sidecar import MAX_CAPTION_BYTES
from smalti.recipes.pictures import FetchedReader
from tests import albums
from tests.expect import expect_user_error

TEXTS = {
    "cats/0.txt": b"\xef\xbb\xbf\n  A gray cat \r\nand a second line",
    "dogs/2.txt": "un ch\u00e9ri".encode(),
    "dogs/1.txt": b"",
    "notes.txt": b"of no picture",
    "dogs/9.txt": b"of a picture that is not there",
}
CAPTIONS = ("A gray cat", "", "", "", "", "un ch\u00e9ri")
Lay = Callable[[Path, dict[str, bytes]], Path]

kinds = pytest.mark.parametrize(
    "lay",
    [
        lambda path, files: albums.write_folder(path / "pets", files),
        lambda path, files: albums.write_zip(path / "pets.zip", files),
        lambda path, files: albums.write_zip(
            path / "pets.zip", {f"pets/{name}": content for name, content in files.items()}
        ),
    ],
    ids=["folder", "zip", "zip-of-a-folder"],
)


@kinds
def test_a_text_file_beside_a_picture_is_its_caption(tmp_path: Path, lay: Lay):
    pictures = read(lay(tmp_path, albums.make_two_classes() | TEXTS), size=8)
    assert pictures.captions == CAPTIONS
    assert pictures.classes == ("cats", "dogs")
    assert len(pictures) == 6


@kinds
def test_text_files_of_no_picture_make_no_captions(tmp_path: Path, lay: Lay):
    files = albums.make_two_classes() | {
        "notes.txt": b"x",
        "cats/0.md": b"y",
        "cats/0.png.bak": b"z",
    }
    path = lay(tmp_path, files)
    assert read(path, size=8).captions == ()
    with expect_user_error("no captions", "cat.txt"):
        FetchedReader("x", needs_captions=True)(str(path), size=8)


@kinds
def test_captions_follow_their_pictures_into_splits_and_packs(tmp_path: Path, lay: Lay):
    album = albums.make_two_classes()
    files = {}
    for split in ("train", "val"):
        for name, content in album.items():
            files[f"{split}/{name}"] = content
            files[f"{split}/{name[:-4]}.txt"] = f"{split} {name}".encode()
    path = lay(tmp_path, files)
    splits = read_splits(path, size=8)
    assert splits.train.captions == tuple(f"train {name}" for name in album)
    assert splits.valid.captions == tuple(f"val {name}" for name in album)
    pack(path, tmp_path / "packed", size=8)
    assert read_splits(tmp_path / "packed", size=8).valid.captions == splits.valid.captions
    assert (
        FetchedReader("x", needs_captions=True)(str(path), size=8).train.captions
        == splits.train.captions
    )


@kinds
def test_a_caption_that_is_no_text_stops_those_who_learn_from_captions(tmp_path: Path, lay: Lay):
    files = albums.make_two_classes() | {
        "cats/1.txt": b"a child\x92s drawing",
        "dogs/0.txt": b"Rex",
    }
    path = lay(tmp_path, files)
    assert read(path, size=8).captions == ("", "", "", "Rex", "", "")
    said = "cats/1.txt is not UTF-8 text; save it as UTF-8, or remove it"
    (note,) = read_splits(path, size=8).notes
    assert note.startswith("captions that cannot be read: 1, the first: ")
    assert note.endswith(said)
    with expect_user_error(said, "1 of 6 captions"):
        FetchedReader("x", needs_captions=True)(str(path), size=8)


@kinds
def test_of_a_huge_caption_the_first_line_is_read(tmp_path: Path, lay: Lay):
    line = b"caf\xc3\xa9 " * 3000  # cut in the middle of a letter somewhere
    files = albums.make_two_classes() | {
        "cats/0.txt": b"short\n" + b"x" * (3 * MAX_CAPTION_BYTES),
        "cats/1.txt": b"x" * (3 * MAX_CAPTION_BYTES),
        "cats/2.txt": b"\n" * (3 * MAX_CAPTION_BYTES),
        "dogs/0.txt": line + b"\n" + b"\xc3\xa9" * MAX_CAPTION_BYTES,
    }
    path = lay(tmp_path, files)
    texts = read(path, size=8).captions
    assert texts == ("short", "", "", line.decode().strip(), "", "")
    (note,) = read_splits(path, size=8).notes
    assert note.startswith("captions that cannot be read: 2")
