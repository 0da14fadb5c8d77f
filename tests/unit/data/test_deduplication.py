"""Copies that are dropped before a split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smalti.data import pack, read
from smalti.data.deduplication import choose_unique
from smalti.data.duplicates import DuplicatePair, Duplicates
from tests import albums


def make_scenes(n: int) -> list[np.ndarray]:
    """Smooth pictures that are far from each other, uint8 (3, 32, 32) turned to (32, 32, 3)."""
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (n, 4, 4, 3))
    return [np.kron(s, np.ones((8, 8, 1))).astype(np.uint8) for s in small]


@pytest.fixture
def files() -> dict[str, bytes]:
    """Six pictures, an exact copy of 0, and a slightly brighter 1."""
    scenes = make_scenes(6)
    near = np.clip(scenes[1].astype(int) + 2, 0, 255).astype(np.uint8)
    pictures = [*scenes, scenes[0], near]
    return {f"{k}.png": albums.encode_picture(p) for k, p in enumerate(pictures)}


def test_a_pack_of_unique_pictures(files: dict[str, bytes], tmp_path: Path):
    album = albums.write_folder(tmp_path / "album", files)
    packed = pack(album, tmp_path / "p", size=32, unique=True)
    assert packed.shape[0] == 6
    assert packed.notes[0] == "dropped 1 exact copy and 1 near copy: 6 pictures are left"
    assert len(read(tmp_path / "p", size=32).pixels.unique(dim=0)) == 6
    again = pack(tmp_path / "p", tmp_path / "q", size=32, unique=True)
    assert again.notes[0] == "dropped 0 exact copies and 0 near copies: 6 pictures are left"
    assert again.splits == packed.splits
    assert pack(album, tmp_path / "all", size=32).shape[0] == 8


def test_of_copies_in_two_splits_the_held_out_one_stays(files: dict[str, bytes], tmp_path: Path):
    placed = {f"{'valid' if name[0] in '67' else 'train'}/{name}": f for name, f in files.items()}
    album = albums.write_folder(tmp_path / "album", placed)
    packed = pack(album, tmp_path / "p", size=32, unique=True)
    assert {s: len(r) for s, r in packed.splits.items()} == {"train": 4, "valid": 2}


def test_what_is_near_a_dropped_picture_alone_stays():
    chain = Duplicates((), (DuplicatePair(0, 1, 1, 1.0), DuplicatePair(1, 2, 1, 1.0)), 0)
    kept = choose_unique(chain, [0, 1, 2])
    assert kept.rows.tolist() == [0, 2] and (kept.exact, kept.near) == (0, 1)


def test_equal_pictures_are_near_what_the_first_of_them_is_near():
    found = Duplicates(((1, 3),), (DuplicatePair(0, 1, 1, 1.0),), 0)
    kept = choose_unique(found, [3, 0, 1, 2])
    assert kept.rows.tolist() == [2, 3] and (kept.exact, kept.near) == (1, 1)
