"""Which pictures count as equal or nearly equal."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from smalti.data import duplicates
from smalti.data.duplicates import (
    PictureFingerprint,
    find_duplicates,
    find_leaks,
    find_near_pairs,
    fingerprint_picture,
)
from tests.naive import near_duplicates


def scene(seed: int, side: int = 64) -> Image.Image:
    """Soft blobs of color, as a photograph has them."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def make_fingerprints(*images: Image.Image) -> dict[int, PictureFingerprint]:
    arrays = [np.asarray(image.convert("RGB")).transpose(2, 0, 1) for image in images]
    return {row: fingerprint_picture(array) for row, array in enumerate(arrays)}


def find_near(*images: Image.Image) -> set[tuple[int, int]]:
    return {(pair.a, pair.b) for pair in find_duplicates(make_fingerprints(*images)).near}


def compress_jpeg(image: Image.Image, quality: int = 60) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue()))


def test_copies_are_found_once_and_only_as_copies():
    a, b = scene(0), scene(1)
    found = find_duplicates(make_fingerprints(a, b, a, a, b))
    assert found.exact == ((0, 2, 3), (1, 4))
    assert (found.n_copies, found.near, found.n_single_color) == (3, (), 0)


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_stays_itself_when_it_is_compressed_scaled_or_a_little_brighter(seed: int):
    image = scene(seed)
    smaller = image.resize((48, 48)).resize((64, 64))
    brighter = ImageEnhance.Brightness(image).enhance(1.04)
    assert find_near(image, compress_jpeg(image)) == {(0, 1)}
    assert find_near(image, smaller) == {(0, 1)}
    assert find_near(image, brighter) == {(0, 1)}


def test_other_pictures_are_not_near():
    assert find_near(*[scene(seed) for seed in range(40)]) == set()


def test_a_picture_in_other_colors_is_another():
    r, g, b = scene(0).split()
    gray = Image.merge("RGB", [r, r, r])
    red = Image.merge("RGB", [r, Image.new("L", r.size), Image.new("L", r.size)])
    assert find_near(gray, red) == set()
    assert find_near(Image.merge("RGB", [r, g, b]), Image.merge("RGB", [b, g, r])) == set()


def test_blank_pictures_are_counted_and_match_nothing_but_copies():
    blanks = [Image.new("RGB", (64, 64), (k, k, k)) for k in range(0, 250, 2)]
    found = find_duplicates(make_fingerprints(*blanks, blanks[3], scene(0)))
    assert (found.n_single_color, found.near, found.exact) == (126, (), ((3, 125),))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_blocks_find_what_comparing_all_finds(seed: int, block: int):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 4, 30, dtype=np.uint64) ^ (
        rng.integers(0, 2, 30).astype(np.uint64) << 63
    )
    hashes[::3] ^= np.uint64(0x3F << 20)
    thumbs = rng.integers(0, 30, (30, 12), dtype=np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "BLOCK", block)
        pairs, is_complete = find_near_pairs(hashes, thumbs)
    assert is_complete
    assert sorted((p.a, p.b) for p in pairs) == sorted(near_duplicates.near_pairs(hashes, thumbs))


def test_a_flood_of_pairs_is_cut_and_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 10)
    hashes, thumbs = np.zeros(20, np.uint64), np.zeros((20, 3), np.uint8)
    pairs, is_complete = find_near_pairs(hashes, thumbs)
    assert (len(pairs), is_complete) == (10, False)


def test_leaks_are_pairs_across_splits():
    a, b, c = scene(0), scene(1), scene(2)
    found = find_duplicates(make_fingerprints(a, b, c, a, compress_jpeg(b), compress_jpeg(c), a))
    splits = {"train": [0, 1, 2, 3], "valid": [4, 6], "test": [5]}
    assert {(pair.a, pair.b) for pair in find_leaks(found, splits)} == {(0, 6), (1, 4), (2, 5)}
    assert find_leaks(found, {"train": range(7)}) == ()


def test_a_leak_between_later_copies_is_found():
    a = scene(0)
    found = find_duplicates(make_fingerprints(a, a, a))
    pairs = find_leaks(found, {"train": [0], "valid": [1], "test": [2]})
    assert {(pair.a, pair.b) for pair in pairs} == {(0, 1), (0, 2)}
