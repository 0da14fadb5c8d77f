"""Leaks that are dropped from a fetched pack."""

from __future__ import annotations

import numpy as np

from smalti.data.arrays import to_pil_image
from smalti.data.decode import make_preprocessing
from smalti.data.fetched_packs import drop_leaks
from smalti.data.source import Source, Split
from tests import albums

PREPROCESSING = make_preprocessing(16, "rgb", "white", crop=True)


def make_source(pixels: np.ndarray, labels: list[int]) -> Source:
    return Source(
        name="set",
        titles=[str(k) for k in range(len(pixels))],
        open_picture=lambda k: to_pil_image(pixels[k]),
        labels=np.array(labels, np.int64),
        classes=("a", "b"),
        pixels=pixels,
    )


def list_kept(pixels: np.ndarray, labels: list[int], sides: list[list[int]]) -> list[list[int]]:
    splits: tuple[Split, ...] = ("train", "valid", "test")
    rows: dict[Split, np.ndarray] = {
        s: np.array(part, np.int64) for s, part in zip(splits, sides, strict=True)
    }
    left = drop_leaks(make_source(pixels, labels), PREPROCESSING, rows)
    return [left[s].tolist() for s in splits]


def test_the_earlier_of_two_splits_gives_way():
    smooth = albums.make_noise(8, 4, 4, 3, seed=3).repeat(4, 1).repeat(4, 2).transpose(0, 3, 1, 2)
    pixels = np.ascontiguousarray(smooth)
    labels = [0] * 8
    sides = [[0, 1, 2, 3], [4, 5], [6, 7]]
    assert list_kept(pixels, labels, sides) == sides
    near = pixels.copy()
    near[0] = np.clip(near[6].astype(int) + 2, 0, 255)  # nearly a picture of the test
    near[4] = near[7]  # equal to one
    near[1] = np.clip(near[5].astype(int) + 2, 0, 255)  # nearly one to choose by
    assert list_kept(near, labels, sides) == [[2, 3], [5], [6, 7]]


def test_equal_pictures_are_taken_once_for_each_class():
    smooth = albums.make_noise(6, 4, 4, 3, seed=4).repeat(4, 1).repeat(4, 2).transpose(0, 3, 1, 2)
    pixels = np.ascontiguousarray(smooth)
    pixels[1] = pixels[2] = pixels[0]
    assert list_kept(pixels, [0, 0, 1, 0, 0, 0], [[0, 1, 2, 3], [4], [5]]) == [[0, 2, 3], [4], [5]]
    pixels[5] = pixels[0]  # and what is held out keeps all copies from being learned
    assert list_kept(pixels, [0, 0, 1, 0, 0, 0], [[0, 1, 2, 3], [4], [5]]) == [[3], [4], [5]]
