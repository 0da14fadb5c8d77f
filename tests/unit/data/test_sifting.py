"""Which files count as pictures, and how the others are reported."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from smalti.data import read, read_splits
from smalti.data.outputs import RECORDS
from smalti.data.reading import open_source
from smalti.tasks import (
    _audit,
    _complete,
    _draw_samples,
    _evaluate,
    _inpaint,
    _interpolate,
    _match,
    _reconstruct,
)
from tests import albums
from tests.expect import expect_user_error

PNG = albums.encode_picture(albums.make_noise(8, 8, 3))
Lay = Callable[[Path, dict[str, bytes]], Path]

kinds = pytest.mark.parametrize(
    "lay",
    [
        lambda path, files: albums.write_folder(path / "set", files),
        lambda path, files: albums.write_zip(path / "set.zip", files),
    ],
    ids=["folder", "zip"],
)


def list_selected(path: Path) -> tuple[list[str], str]:
    """The paths of the pictures in a set, and what is said of the rest."""
    with open_source(path) as source:
        return [title.removeprefix(f"{path}/") for title in source.titles], str(source.skipped)


@kinds
def test_what_a_system_leaves_behind_is_no_picture_and_no_class(tmp_path: Path, lay: Lay):
    folders = ["@eaDir/0.png", "__MACOSX/cats", ".thumbnails", "lost+found", ".git", ".hidden"]
    folders += ["$RECYCLE.BIN", "System Volume Information"]
    files = {f"{folder}/x.png": PNG for folder in folders}
    files |= {f"{kind}/@eaDir/1.png/SYNOPHOTO_THUMB_M.png": PNG for kind in ("cats", "dogs")}
    files |= {f"cats/{name}": PNG for name in ("._1.png", ".DS_Store", "Thumbs.db", ".x.png")}
    path = lay(tmp_path, albums.make_two_classes() | files)
    names, passed = list_selected(path)
    assert names == [*albums.make_two_classes()]
    assert read(path).classes == ("cats", "dogs")
    assert passed.startswith("hidden 4; folders @eaDir 3, ")
    for folder in folders:
        assert f"{folder.split('/', maxsplit=1)[0]} " in passed


@kinds
def test_content_decides_for_unknown_endings_and_the_others_are_counted(tmp_path: Path, lay: Lay):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)
    jpeg = albums.encode_picture(albums.make_noise(8, 8, 3), "JPEG")
    tiff = albums.encode_picture(albums.make_noise(8, 8, 3), "TIFF")
    pictures = {
        "Shot at 10.30": PNG, "cat.png?width=640": PNG, "dog.jpg_large": jpeg, "noname": PNG,
        "renamed.heic": jpeg, "z.png": PNG,
    }  # fmt: skip
    others = {
        "1.HEIC": heic, "2.heic": heic, "raw.dng": tiff, "raw.NEF": tiff, "draw.svg": b"<svg/>",
        "z.png~": PNG, "z.jpg_original": jpeg, "half.png.crdownload": PNG, "README": b"text",
        "empty": b"", "labels.csv": b"1,2", "z.txt": b"its caption", "other.txt": b"no caption",
    }  # fmt: skip
    names, passed = list_selected(lay(tmp_path, pictures | others))
    assert sorted(names) == sorted(pictures)
    counts = dict(word.rsplit(" ", 1) for word in passed.split(", ") if word != "...")
    assert (counts["HEIC"], counts["no ending"]) == ("2", "2")
    assert len(counts) == 8  # of eleven kinds, the most frequent


@kinds
def test_what_is_said_reaches_whoever_trains(tmp_path: Path, lay: Lay):
    path = lay(tmp_path, albums.make_two_classes() | {"cats/1.heic": b"no picture"})
    assert read_splits(path, size=8).notes == ("skipped: HEIC 1",)


def record(name: str, **more: object) -> bytes:
    keys = dict.fromkeys(sorted(RECORDS[name][0][0]), 1)
    return json.dumps({**keys, **more}).encode()


WRITTEN = {
    "runs/ddpm/run.json": record("run.json"),
    "runs/ddpm/grids/step-2.png": PNG,
    "packs/a/pack.json": record("pack.json"),
    "packs/a/pixels.npy": b"x",
    "samples/ddpm/samples.json": record("samples.json", seeds=[0, 1]),
    "samples/ddpm/grid.png": PNG,
    "samples/ddpm/00000.png": PNG,
    "looks/set/report.json": record("report.json"),
    "looks/set/contact.png": PNG,
    "gallery/index.html": b"<!doctype html><title>smalti: the gallery</title>",
    "gallery/run/run.json": record("run.json"),
    "gallery/samples/grid.png": PNG,
}


@kinds
def test_what_smalti_wrote_is_passed_over(tmp_path: Path, lay: Lay):
    names, passed = list_selected(lay(tmp_path, {"a.png": PNG, "b.png": PNG} | WRITTEN))
    assert names == ["a.png", "b.png"]
    assert passed == (
        "written by smalti in gallery 3, samples/ddpm 3, looks/set 2, packs/a 2, runs/ddpm 2"
    )


@kinds
def test_samples_that_stand_alone_are_meant(tmp_path: Path, lay: Lay):
    names, passed = list_selected(lay(tmp_path, WRITTEN))
    assert names == ["samples/ddpm/00000.png"]
    assert "samples/ddpm 2" in passed


@kinds
def test_a_name_alone_is_no_record(tmp_path: Path, lay: Lay):
    """Other programs write run.json and report.json, too; a sample is one that the record lists."""
    files = {
        "a/run.json": b'{"id": 3}', "a/1.png": PNG, "b/samples.json": b"not JSON", "b/2.png": PNG,
        "c/samples.json": record("samples.json", seeds=[7]), "c/00007.png": PNG,
        "c/00008.png": PNG, "d/report.json": b"[" * 100_000, "d/contact.png": PNG,
    }  # fmt: skip
    names, passed = list_selected(lay(tmp_path, files))
    assert names == ["a/1.png", "b/2.png", "c/00008.png", "d/contact.png"]
    assert passed == "JSON 3; written by smalti in c 2"


RESULTS = [
    ("samples.json", _draw_samples, "grid.png denoising.gif rows.gif 00001.png"),
    ("inpainting.json", _inpaint, "grid.png 00001.png"),
    ("completions.json", _complete, "grid.png 0-1.png"),
    ("reconstruction.json", _reconstruct, "grid.png 00001.png"),
    ("interpolation.json", _interpolate, "strip.png interpolation.gif"),
    ("match.json", _match, "field.png distance.png 00001-voted.png voted.gif copied.png"),
    ("report.json", _audit, "contact.png duplicates.png"),
    ("report.json", _evaluate, "samples.png neighbors.png distances.png codes.png"),
]


@pytest.mark.parametrize(("record", "verb", "names"), RESULTS)
def test_what_a_verb_writes_is_known_by_its_record(record: str, verb: ModuleType, names: str):
    pattern = RECORDS[record][1]
    assert pattern is not None
    for name in names.split():
        assert re.fullmatch(verb.FILES.name_pattern, name)
        assert re.fullmatch(pattern, name)


def test_pipes_sockets_and_devices_are_no_pictures(tmp_path: Path):
    path = albums.write_folder(tmp_path / "set", {"a.png": PNG, "folder.png/b.png": PNG})
    os.mkfifo(path / "pipe.png")
    (path / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path / "s.png"))
        names, passed = list_selected(path)
    assert names == ["a.png", "folder.png/b.png"]
    assert passed == "pipes and devices 3"
    for place in (path / "pipe.png", path / "zero.png"):
        with expect_user_error(f"{place.name} is not a regular file"):
            read(place)


def test_links_that_lead_nowhere_are_named(tmp_path: Path):
    path = albums.write_folder(tmp_path / "set", {"b.png": PNG})
    (path / "a.png").symlink_to("a.png")
    with expect_user_error(
        "1 of 2 pictures", "a.png cannot be read (Too many levels of symbolic links)"
    ):
        read(path)


def test_names_with_line_breaks_stay_in_their_line(tmp_path: Path):
    albums.write_folder(tmp_path / "set", {"a\nb/\x1b[2J.png": PNG, "c/x.png": b"broken"})
    assert list_selected(tmp_path / "set")[0] == [r"a\x0ab/\x1b[2J.png", "c/x.png"]
    with open_source(tmp_path / "set") as source:
        assert source.classes == (r"a\x0ab", "c")


def test_names_that_are_no_utf8(tmp_path: Path):
    """They are escaped in messages; the pictures are read."""
    for kind in (b"caf\xe9", b"th\xe9"):
        folder = os.fsencode(tmp_path) + b"/set/" + kind
        os.makedirs(folder)
        Path(os.fsdecode(folder), "x\udce9.png").write_bytes(PNG)
    pictures = read(tmp_path / "set", size=8)
    assert pictures.classes == (r"caf\xe9", r"th\xe9")
    names, _ = list_selected(tmp_path / "set")
    assert names == [r"caf\xe9/x\xe9.png", r"th\xe9/x\xe9.png"]


@pytest.mark.parametrize("path", ["", "~nobody-of-that-name/x"])
def test_paths_that_are_none(path: str):
    with expect_user_error("empty" if not path else "does not exist"):
        read(path)
