"""Groups of pictures that stay on one side of a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti.data import pack, read_splits
from smalti.data.audit import audit_source
from smalti.data.decode import make_preprocessing
from smalti.data.grouping import Groups, describe_divided, group_names, split_groups
from smalti.data.reading import open_source
from tests import albums
from tests.expect import expect_user_error

NAMES = [f"{'ab'[k % 2]}/patient{k // 4}_{k}.png" for k in range(20)]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """20 pictures of 5 patients, in 2 classes."""
    files = {
        name: albums.encode_picture(picture)
        for name, picture in zip(NAMES, albums.make_noise(20, 8, 8, 3), strict=True)
    }
    return albums.write_folder(tmp_path / "album", files)


def test_names_with_the_same_match_are_a_group():
    groups = group_names(NAMES, r"(patient\d+)_")
    assert groups.numbers.tolist() == [k // 4 for k in range(20)]
    assert groups.names == tuple(f"patient{k}" for k in range(5))
    assert group_names(NAMES, r"^(.)/patient(\d)").names[:2] == ("a 0", "b 0")
    assert group_names(NAMES, r"patient\d").names == groups.names  # all of the match
    some = group_names([*NAMES, "x.png", "y.png"], r"(patient\d+)_")
    assert some.unmatched == 2 and some.numbers[-2] != some.numbers[-1]
    assert str(some) == "5 groups; 2 names without a match"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(patient", ["no regular expression", "missing )"]),
        ("person", ["matches no name", "'a/patient0_0.png'"]),
        (r"patient", ["all 20 pictures into one group"]),
        ("", ["all 20 pictures into one group"]),
    ],
)
def test_patterns_that_make_no_groups_are_refused(pattern: str, words: list[str]):
    with expect_user_error("group_by", *words, "give"):
        group_names(NAMES, pattern)


@given(
    st.lists(st.integers(0, 6), min_size=8, max_size=40).filter(lambda n: len(set(n)) > 3),
    st.integers(1, 8),
    st.integers(0, 4),
    st.integers(0, 5),
)
def test_a_split_never_divides_a_group(numbers: list[int], valid: int, test: int, seed: int):
    names = tuple(map(str, range(7)))
    groups = Groups(np.array(numbers), names)
    labels = np.array([k % 3 for k in range(len(numbers))])
    for each in (None, labels):
        parts = split_groups(groups, [valid, test], each, seed)
        rows = np.concatenate(parts)
        assert sorted(rows.tolist()) == list(range(len(numbers)))
        homes = [set(groups.numbers[part].tolist()) for part in parts]
        assert not (homes[0] & homes[1] or homes[0] & homes[2] or homes[1] & homes[2])
        assert len(parts[0]) and len(parts[1]) and bool(len(parts[2])) == (test > 0)


def test_a_group_with_the_last_pictures_of_a_class_stays_in_training():
    groups = Groups(np.array([0, 0, 1, 1, 2, 2]), ("a", "b", "c"))
    labels = np.array([0, 0, 0, 0, 1, 1])
    for seed in range(6):
        train, valid = split_groups(groups, [2], labels, seed)
        assert set(labels[train].tolist()) == {0, 1} or len(valid) == 2
        if 4 not in valid:
            assert {4, 5} <= set(train.tolist())


def test_too_few_groups_for_the_splits_are_refused():
    groups = Groups(np.array([0, 0, 1, 1]), ("a", "b"))
    with expect_user_error("in 2 groups", "at least 3"):
        split_groups(groups, [1, 1], None, 0)


def test_training_pack_and_audit_split_alike(album: Path, tmp_path: Path):
    splits = read_splits(album, size=8, group_by=r"(patient\d+)_")
    patients = [{name[8:16] for name in (p.file_names or ())} for p in (splits.train, splits.valid)]
    assert not patients[0] & patients[1] and len(splits.valid) == 4
    assert "grouped by names: 5 groups of 20 pictures" in splits.notes
    packed = pack(album, tmp_path / "p", size=8, group_by=r"(patient\d+)_", test=0.2)
    assert [len(packed.splits[s]) for s in ("train", "valid", "test")] == [12, 4, 4]
    with open_source(album) as source:
        audit = audit_source(
            source, make_preprocessing(8, "keep", "white", True), group_by=r"(patient\d+)_"
        )
    assert audit.splits == {"train": 16, "valid": 4}
    assert audit.groups == "5 groups of 20 pictures" and not audit.divided


def test_groups_that_the_datas_own_splits_divide_are_told(album: Path, tmp_path: Path):
    root = tmp_path / "split"
    for split, numbers in (("train", range(9)), ("valid", range(9, 20))):
        for k in numbers:
            path = root / split / Path(NAMES[k]).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((album / NAMES[k]).read_bytes())
    splits = read_splits(root, size=8, group_by=r"(patient\d+)_")
    assert "groups in several splits of the data: patient2 (train, valid)" in splits.notes
    groups = group_names(NAMES, r"(patient\d+)_")
    assert describe_divided(groups, {"train": range(8), "valid": range(8, 20)}) == ""
