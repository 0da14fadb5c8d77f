"""A pack in one zip file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from smalti.data import pack, read, read_splits
from smalti.data.packs import open_pack_source
from tests import albums
from tests.expect import expect_user_error


def picture(seed: int) -> bytes:
    return albums.encode_picture(albums.make_noise(1, 24, 40, 3, seed=seed)[0])


def test_a_pack_in_one_file_is_read_back_identically(tmp_path: Path):
    photos = tmp_path / "photos"
    for k in range(20):
        (photos / f"c{k % 2}").mkdir(parents=True, exist_ok=True)
        (photos / f"c{k % 2}/{k}.png").write_bytes(picture(k))
        (photos / f"c{k % 2}/{k}.txt").write_text(f"number {k}")
    pack(photos, tmp_path / "p", size=16, test=0.2)
    pack(tmp_path / "p", tmp_path / "p.zip", size=16)
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        assert sorted(archive.namelist()) == ["labels.npy", "pack.json", "pixels.npy"]
    one, other = (open_pack_source(tmp_path / name) for name in ("p", "p.zip"))
    assert one.pixels is not None and other.pixels is not None
    assert one.labels is not None and other.labels is not None
    assert np.array_equal(one.pixels, other.pixels) and np.array_equal(one.labels, other.labels)
    assert (one.captions, one.classes, one.splits, one.size) == (
        other.captions, other.classes, other.splits, other.size,
    )  # fmt: skip
    splits = read_splits(tmp_path / "p.zip", size=16)
    assert splits.test is not None and len(splits.test) == 4
    with expect_user_error("p.zip is packed at 16 x 16 pixels, but 8 x 8 is requested"):
        read(tmp_path / "p.zip", size=8)
    with expect_user_error("is the input pack"):
        pack(tmp_path / "p.zip", tmp_path / "p.zip", size=16)
    (tmp_path / "mine.zip").write_bytes(b"x")
    with expect_user_error("mine.zip is not a pack"):
        pack(photos, tmp_path / "mine.zip", size=16)
    assert (tmp_path / "mine.zip").read_bytes() == b"x"


def test_a_damaged_pack_in_one_file(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(picture(0))
    (tmp_path / "b.png").write_bytes(picture(1))
    pack(tmp_path, tmp_path / "p.zip", size=32, valid=0.5)
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["pixels.npy"] = files["pixels.npy"][:-7]
    with zipfile.ZipFile(tmp_path / "cut.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with expect_user_error("pixels.npy is damaged", "pack the pictures again"):
        read(tmp_path / "cut.zip", size=32)
