"""Folders named like splits."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalti.data import read, read_splits
from smalti.data.folder_layout import infer_layout
from tests import albums


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_folders_named_as_splits_are_splits_and_their_folders_classes(tmp_path: Path, kind: str):
    names = ("val/dogs", "val/cats", "Train/dogs", "Train/cats", "test/cats")
    shots = albums.make_noise(len(names), 8, 8)
    files = {
        f"{name}/x.png": albums.encode_picture(p) for name, p in zip(names, shots, strict=True)
    }
    make = albums.write_folder if kind == "folder" else albums.write_zip
    splits = read_splits(make(tmp_path / f"set.{kind}", files), size=None)
    assert splits.test is not None
    seen = [(part.classes, part.labels, part.pixels) for part in (splits.train, splits.valid)]
    assert [s[0] for s in seen] == [("cats", "dogs")] * 2
    assert [s[1].tolist() for s in seen if s[1] is not None] == [[0, 1], [0, 1]]
    assert [s[2][0, 0].tolist() for s in seen] == [shots[3].tolist(), shots[1].tolist()]
    assert splits.test.pixels[0, 0].tolist() == shots[4].tolist()


def test_a_test_folder_leaves_validation_to_chance(tmp_path: Path):
    files = {
        f"train/{k}.png": albums.encode_picture(p) for k, p in enumerate(albums.make_noise(5, 8, 8))
    }
    files["test/t.png"] = albums.encode_picture(albums.make_noise(1, 8, 8, seed=1)[0])
    splits = read_splits(albums.write_folder(tmp_path / "set", files), size=None)
    assert (len(splits.train), len(splits.valid), len(splits.test or ())) == (4, 1, 1)
    assert len(read(tmp_path / "set", size=None)) == 6


@pytest.mark.parametrize(
    "paths",
    [
        [("train", "a"), ("cars", "b")],  # vehicles
        [("train", "a"), ("train", "b")],  # nothing is held out
        [("test", "a"), ("val", "b")],  # nothing to train on
        [("train", "a"), ("test", "b"), ("c",)],
    ],
)
def test_other_folders_are_no_splits(paths: list[tuple[str, ...]]):
    assert infer_layout(paths).splits == {}
    assert infer_layout(paths).order == list(range(len(paths)))
