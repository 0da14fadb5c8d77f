"""Random held-out pictures, and that every class has a training picture if possible."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smalti.data import pack, read, read_splits
from smalti.data.reading import open_source
from smalti.data.splitting import draw_permutation, ensure_train_classes
from tests import albums

PNG = albums.encode_picture(albums.make_noise(8, 8, 3))


def write_pictures(path: Path, **counts: int) -> Path:
    """A folder with the given number of different pictures of each class."""
    pixels = iter(albums.make_noise(sum(counts.values()), 8, 8))
    names = [f"{name}/{k:03d}.png" for name, n in counts.items() for k in range(n)]
    return albums.write_folder(path, {name: albums.encode_picture(next(pixels)) for name in names})


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.integers(0, 9), st.data())
def test_every_class_is_trained_on_and_nothing_else_moves(labels, seed, data):
    marks = np.array(labels)
    order = draw_permutation(len(marks), seed)
    b = data.draw(st.integers(1, len(marks) - 1))
    a = data.draw(st.integers(0, b))
    before = [order[b:], order[:a], order[a:b]]
    after = ensure_train_classes(before, marks)
    assert sorted(np.concatenate(after)) == list(range(len(marks)))
    counts = {k: sum(marks[r] == k for r in after[0]) for k in labels}
    lost = [k for k, n in counts.items() if n == 0]
    if all(len(part) != 1 for part in after[1:]):
        assert not lost
    if set(marks[before[0]]) == set(labels):
        assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    for old, new in zip(before[1:], after[1:], strict=True):
        assert len(old) >= len(new) >= min(1, len(old))


def test_without_classes_the_split_is_the_old_one():
    parts = [np.array([3, 1]), np.array([0, 2])]
    assert all(map(np.array_equal, ensure_train_classes(parts, None), parts))


def test_a_class_of_one_picture_is_trained_on(tmp_path: Path):
    """It may be the one that chance held out: then one of the large class takes its place."""
    path = write_pictures(tmp_path / "set", many=20, **{f"one{k:02d}": 1 for k in range(20)})
    splits = read_splits(path, size=8)
    assert splits.train.labels is not None
    assert len(set(splits.train.labels.tolist())) == 21
    assert (len(splits.train), len(splits.valid), splits.notes) == (38, 2, ())
    packed = pack(path, tmp_path / "packed", size=8)
    assert packed.splits == {"train": range(38), "valid": range(38, 40)}
    rows = read(tmp_path / "packed", size=8).labels
    assert rows is not None
    assert len(set(rows[:38].tolist())) == 21
    assert packed.notes == ()


def test_where_each_class_has_one_picture_it_is_said(tmp_path: Path):
    path = write_pictures(tmp_path / "set", a=1, b=1, c=1)
    (note,) = read_splits(path, size=8).notes
    assert note.startswith("classes without training pictures: ")
    assert note.endswith("(only valid)")


def test_a_class_of_the_data_s_own_test_alone_is_said(tmp_path: Path):
    names = ["train/cat/1", "train/cat/2", "train/dog/1", "test/fox/1", "valid/fox/2", "test/cat/3"]
    pixels = albums.make_noise(len(names), 8, 8)
    files = {f"{n}.png": albums.encode_picture(p) for n, p in zip(names, pixels, strict=True)}
    path = albums.write_folder(tmp_path / "set", files)
    said = "classes without training pictures: fox (only valid, test)"
    assert read_splits(path, size=8).notes == (said,)
    assert pack(path, tmp_path / "packed", size=8).notes == (said,)
    with open_source(path) as source:
        assert source.notes == ()
