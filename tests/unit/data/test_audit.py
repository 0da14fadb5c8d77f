"""What an audit counts, on albums with known faults."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data.audit import Audit, audit_source
from smalti.data.contact_sheets import draw_contact_sheet, draw_duplicate_sheet
from smalti.data.decode import make_preprocessing
from smalti.data.reading import open_source
from tests import albums
from tests.expect import expect_user_error

PREPROCESSING = make_preprocessing(16, "keep", "white", True)


def scene(seed: int, width: int = 64, height: int = 64, gray: bool = False) -> Image.Image:
    small = Image.fromarray(albums.make_noise(1, 6, 6, 3, seed=seed)[0])
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    return image.convert("L") if gray else image


def encode_image(image: Image.Image, kind: str = "PNG") -> bytes:
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    files = {f"cats/{k}.png": encode_image(scene(k, 40 + k, 30)) for k in range(12)}
    files |= {
        f"dogs/{k}.jpg": encode_image(scene(20 + k, 200, 150, gray=True), "JPEG") for k in range(4)
    }
    files["dogs/copy.png"] = files["cats/3.png"]
    files["dogs/near.jpg"] = encode_image(scene(5, 45, 30), "JPEG")
    files["dogs/tiny.png"] = encode_image(scene(50, 12, 20))
    files["dogs/blank.png"] = encode_image(Image.new("RGBA", (30, 30), (0, 0, 0, 0)))
    files["cats/bad.png"] = b"x"
    return albums.write_folder(tmp_path / "album", files)


def audit_folder(path: Path) -> Audit:
    with open_source(path) as source:
        return audit_source(source, PREPROCESSING)


def list_titles(path: Path, rows: list[int]) -> list[str]:
    with open_source(path) as source:
        return [Path(source.titles[row]).name for row in rows]


def test_everything_is_counted(album: Path):
    found = audit_folder(album)
    assert len(found) == 20
    assert found.count_by("format") == {"PNG": 15, "JPEG": 5}
    assert found.count_by("mode") == {"RGB": 15, "L": 4, "RGBA": 1}
    assert (found.count_colored(), found.count_channels()) == (15, 3)
    assert found.summarize_sizes() == {
        "smallest": (12, 20),
        "median": (46, 30),
        "largest": (200, 150),
    }
    assert found.count_by_shorter_side() == {8: 1, 16: 15, 32: 0, 64: 0, 128: 4}
    assert list_titles(album, found.list_upscaled_rows()) == ["tiny.png"]
    assert [str(b) for b in found.bad] == [
        f"{album}/cats/bad.png is not a readable picture; replace or remove it"
    ]
    assert found.classes == {"cats": 12, "dogs": 8}
    assert (found.splits, found.has_predefined_splits) == ({"train": 19, "valid": 1}, False)


def test_copies_near_ones_and_blanks_are_told_apart(album: Path):
    found = audit_folder(album)
    (group,) = found.duplicates.exact
    assert list_titles(album, list(group)) == ["3.png", "copy.png"]
    (pair,) = found.duplicates.near
    assert list_titles(album, [pair.a, pair.b]) == ["5.png", "near.jpg"]
    assert (found.duplicates.n_single_color, found.n_label_conflicts) == (1, 1)


def test_leaks_are_those_of_the_datas_own_splits(tmp_path: Path):
    pixels = np.stack([np.asarray(scene(k)) for k in range(8)])
    np.savez(tmp_path / "a.npz", x_train=pixels, x_test=pixels[[2]], x_valid=pixels[[4]] // 2)
    found = audit_folder(tmp_path / "a.npz")
    assert (found.splits, found.has_predefined_splits) == (
        {"train": 8, "valid": 1, "test": 1},
        True,
    )
    assert [(pair.a, pair.b) for pair in found.leaks] == [(2, 9)]


def test_leaks_of_the_split_that_training_would_make(tmp_path: Path):
    one = encode_image(scene(0))
    path = albums.write_folder(tmp_path / "a", {f"{k}.png": one for k in range(9)})
    found = audit_folder(path)
    assert found.splits == {"train": 8, "valid": 1}
    assert len(found.leaks) >= 1
    assert all(pair.rms_difference == 0 for pair in found.leaks)


def test_every_kind_of_set_can_be_audited(tmp_path: Path):
    files = albums.make_two_classes(5)
    found = [
        audit_folder(albums.write_folder(tmp_path / "set", files)),
        audit_folder(albums.write_zip(tmp_path / "set.zip", files)),
    ]
    assert found[0].classes == found[1].classes == {"cats": 5, "dogs": 5}
    mnist = audit_folder(albums.write_mnist(tmp_path / "mnist"))
    assert mnist.count_by("format") == {"pixels": 9}
    assert mnist.splits == {"train": 5, "valid": 1, "test": 3}


def test_an_album_of_one_and_one_of_none(tmp_path: Path):
    one = albums.write_folder(tmp_path / "one", {"x.png": encode_image(scene(0))})
    assert audit_folder(one).splits == {"train": 1}
    with expect_user_error("1 of 1 picture cannot be used: ", "x.png is not a readable picture"):
        audit_folder(albums.write_folder(tmp_path / "none", {"x.png": b"x"}))


def test_sheets_show_pictures_and_pairs(album: Path):
    with open_source(album) as source:
        found = audit_source(source, PREPROCESSING)
        sheet, pairs = (
            draw_contact_sheet(source, found, PREPROCESSING),
            draw_duplicate_sheet(source, found, PREPROCESSING),
        )
    assert sheet.size == (5 * 66 + 2, 4 * 66 + 2)  # 20 tiles of 16 x 16, four times enlarged
    assert pairs is not None
    assert pairs.size == (2 * 132 + 4, 72)  # a pair of copies, and one nearly so
    left, right = (np.asarray(pairs, int)[4:68, x : x + 64] for x in (4, 68))
    assert (left == right).all()


def test_no_sheet_of_pairs_where_there_are_none(tmp_path: Path):
    path = albums.write_folder(
        tmp_path / "a", {f"{k}.png": encode_image(scene(k)) for k in range(3)}
    )
    with open_source(path) as source:
        assert (
            draw_duplicate_sheet(source, audit_source(source, PREPROCESSING), PREPROCESSING) is None
        )
