"""What an audit counts, on albums whose every fault was put there."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data.audit import Audit, audit
from smalti.data.contact import contact_sheet, duplicate_sheet
from smalti.data.decode import look_of
from smalti.data.reading import opened_source
from tests import albums
from tests.expect import refusal

LOOK = look_of(16, "keep", "white", True)


def scene(seed: int, width: int = 64, height: int = 64, grey: bool = False) -> Image.Image:
    small = Image.fromarray(albums.noise(1, 6, 6, 3, seed=seed)[0])
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    return image.convert("L") if grey else image


def file(image: Image.Image, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    files = {f"cats/{k}.png": file(scene(k, 40 + k, 30)) for k in range(12)}
    files |= {f"dogs/{k}.jpg": file(scene(20 + k, 200, 150, grey=True), "JPEG") for k in range(4)}
    files["dogs/copy.png"] = files["cats/3.png"]
    files["dogs/near.jpg"] = file(scene(5, 45, 30), "JPEG")
    files["dogs/tiny.png"] = file(scene(50, 12, 20))
    files["dogs/blank.png"] = file(Image.new("RGBA", (30, 30), (0, 0, 0, 0)))
    files["cats/bad.png"] = b"x"
    return albums.folder(tmp_path / "album", files)


def audited(path: Path) -> Audit:
    with opened_source(path) as source:
        return audit(source, LOOK)


def titles(path: Path, rows: list[int]) -> list[str]:
    with opened_source(path) as source:
        return [Path(source.titles[row]).name for row in rows]


def test_everything_is_counted(album: Path):
    found = audited(album)
    assert len(found) == 20
    assert found.counted("format") == {"PNG": 15, "JPEG": 5}
    assert found.counted("mode") == {"RGB": 15, "L": 4, "RGBA": 1}
    assert (found.coloured(), found.channels()) == (15, 3)
    assert found.measures() == {"smallest": (12, 20), "median": (46, 30), "largest": (200, 150)}
    assert found.histogram() == {8: 1, 16: 15, 32: 0, 64: 0, 128: 4}
    assert titles(album, found.smaller()) == ["tiny.png"]
    assert [str(b) for b in found.bad] == [
        f"{album}/cats/bad.png is no picture that can be read; replace or remove it"
    ]
    assert found.classes == {"cats": 12, "dogs": 8}
    assert (found.splits, found.has_own_splits) == ({"train": 19, "valid": 1}, False)


def test_copies_near_ones_and_blanks_are_told_apart(album: Path):
    found = audited(album)
    (group,) = found.duplicates.exact
    assert titles(album, list(group)) == ["3.png", "copy.png"]
    (pair,) = found.duplicates.near
    assert titles(album, [pair.a, pair.b]) == ["5.png", "near.jpg"]
    assert (found.duplicates.plain, found.mixed) == (1, 1)


def test_leaks_are_those_of_the_datas_own_splits(tmp_path: Path):
    pixels = np.stack([np.asarray(scene(k)) for k in range(8)])
    np.savez(tmp_path / "a.npz", x_train=pixels, x_test=pixels[[2]], x_valid=pixels[[4]] // 2)
    found = audited(tmp_path / "a.npz")
    assert (found.splits, found.has_own_splits) == ({"train": 8, "valid": 1, "test": 1}, True)
    assert [(pair.a, pair.b) for pair in found.leaks] == [(2, 9)]


def test_leaks_of_the_split_that_training_would_make(tmp_path: Path):
    one = file(scene(0))
    path = albums.folder(tmp_path / "a", {f"{k}.png": one for k in range(9)})
    found = audited(path)
    assert found.splits == {"train": 8, "valid": 1}
    assert len(found.leaks) >= 1
    assert all(pair.levels == 0 for pair in found.leaks)


def test_every_kind_of_set_can_be_audited(tmp_path: Path):
    files = albums.two_classes(5)
    found = [
        audited(albums.folder(tmp_path / "set", files)),
        audited(albums.archive(tmp_path / "set.zip", files)),
    ]
    assert found[0].classes == found[1].classes == {"cats": 5, "dogs": 5}
    mnist = audited(albums.mnist(tmp_path / "mnist"))
    assert mnist.counted("format") == {"pixels": 9}
    assert mnist.splits == {"train": 5, "valid": 1, "test": 3}


def test_an_album_of_one_and_one_of_none(tmp_path: Path):
    one = albums.folder(tmp_path / "one", {"x.png": file(scene(0))})
    assert audited(one).splits == {"train": 1}
    with refusal("1 of 1 picture cannot be used: ", "x.png is no picture"):
        audited(albums.folder(tmp_path / "none", {"x.png": b"x"}))


def test_sheets_show_pictures_and_pairs(album: Path):
    with opened_source(album) as source:
        found = audit(source, LOOK)
        sheet, pairs = contact_sheet(source, found, LOOK), duplicate_sheet(source, found, LOOK)
    assert sheet.size == (5 * 66 + 2, 4 * 66 + 2)  # 20 tiles of 16 x 16, four times enlarged
    assert pairs is not None
    assert pairs.size == (2 * 132 + 4, 72)  # a pair of copies, and one nearly so
    left, right = (np.asarray(pairs, int)[4:68, x : x + 64] for x in (4, 68))
    assert (left == right).all()


def test_no_sheet_of_pairs_where_there_are_none(tmp_path: Path):
    path = albums.folder(tmp_path / "a", {f"{k}.png": file(scene(k)) for k in range(3)})
    with opened_source(path) as source:
        assert duplicate_sheet(source, audit(source, LOOK), LOOK) is None
