"""Fields: equal to naive implementations, for any number of threads, and for any input."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from smalti.patchmatch import match, match_brute_force
from smalti.patchmatch.matching import METHODS, draw_random_field
from smalti.patchmatch.wavefront import list_diagonals
from tests.expect import expect_user_error
from tests.naive import fields

KINDS = ("uint8", "bool", "int16", "float16", "float32", "float64")


def make_scene(seed: int, H: int, W: int, C: int = 3) -> np.ndarray:
    """Soft noise, uint8 (H, W, C)."""
    noise = np.random.default_rng(seed).normal(size=(H, W, C))
    soft = ndimage.gaussian_filter(noise, (1.5, 1.5, 0))
    return ((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


def means(sums: np.ndarray, patch: int, channels: int) -> np.ndarray:
    return (sums / (patch**2 * channels)).astype(np.float32)


def test_classic_is_its_twin():
    a, b = make_scene(0, 12, 11), make_scene(1, 9, 14)
    mask = np.zeros((9, 14), bool)
    mask[2:5, 3:9] = True
    begin = draw_random_field(a.shape, b.shape, np.zeros((0, 0), bool), 7)
    for patch, closed, start in ((3, None, None), (5, mask, begin), (1, mask, None)):
        empty = np.zeros((0, 0), bool)
        field = draw_random_field(a.shape, b.shape, empty if closed is None else closed, 4)
        field = field if start is None else start
        expected, sums = fields.patchmatch(a, b, patch, 3, 4, field, closed)
        found = match(a, b, patch, 3, 4, start, closed, threads=2)
        assert np.array_equal(found.field, expected)
        assert np.array_equal(found.distance, means(sums, patch, 3))
        floats = match(a.astype(float), b.astype(float), patch, 3, 4, start, closed)
        assert np.array_equal(floats.field, expected)


def test_large_patches_are_runs_of_rows_and_the_same():
    a, b = make_scene(0, 14, 12, 1), make_scene(1, 13, 15, 1)
    expected, sums = fields.patchmatch(
        a, b, 11, 1, 0, draw_random_field(a.shape, b.shape, np.zeros((0, 0), bool), 0)
    )
    found = match(a, b, 11, 1)
    assert np.array_equal(found.field, expected)
    assert np.array_equal(found.distance, means(sums, 11, 1))


def test_exact_is_its_twin():
    a, b = make_scene(0, 7, 8), make_scene(1, 9, 6)
    b[4:7, 2:5] = b[0:3, 0:3]  # of equals the first
    mask = np.zeros((9, 6), bool)
    mask[:3] = True
    for patch, closed in ((1, None), (3, None), (3, mask), (5, None)):
        expected, sums = fields.exact_match(a, b, patch, closed)
        found = match_brute_force(a, b, patch, closed, threads=2)
        assert np.array_equal(found.field, expected)
        assert np.allclose(found.distance, means(sums, patch, 3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_threads_change_nothing(method: Any, kind: str):
    a, b = make_scene(0, 101, 140).astype(kind), make_scene(1, 90, 150).astype(kind)
    one = match(a, b, 5, 3, method=method, threads=1)
    for threads in (2, 3, 5):
        more = match(a, b, 5, 3, method=method, threads=threads)
        assert np.array_equal(more.field, one.field)
        assert np.array_equal(more.distance, one.distance)


def test_tiles_cover_a_picture_once_and_come_after_what_they_need():
    for size in ((1, 1), (70, 500), (333, 129)):
        done = np.zeros(size, int)
        for wave in list_diagonals(size):
            before = done.copy()
            for top, bottom, left, right in wave:
                assert not top or before[top - 1, left:right].all()
                assert not left or before[top:bottom, left - 1].all()
                assert not (top and left) or before[top - 1, left - 1]
                done[top:bottom, left:right] += 1
        assert (done == 1).all()


def test_near_is_near():
    a, b = make_scene(0, 60, 70), make_scene(2, 64, 66)
    best = match_brute_force(a, b).distance
    found = {m: match(a, b, method=m).distance for m in METHODS}
    for distance in found.values():
        assert (distance >= best * (1 - 1e-5)).all()
    assert found["classic"].mean() < 1.6 * best.mean()
    assert found["accurate"].mean() < 1.15 * best.mean()


@pytest.mark.parametrize("method", METHODS)
def test_what_moved_is_found(method: Any):
    whole = make_scene(0, 80, 90)
    a, b = whole[:60, :70], whole[8:, 5:]
    field = match(a, b, method=method).field[10:-2, 8:-2]
    moved = field - np.moveaxis(np.indices((60, 70)), 0, -1)[10:-2, 8:-2]
    assert (moved == (-8, -5)).all(-1).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_more_iterations_come_nearer_and_init_is_where_it_begins(method: Any):
    a, b = make_scene(0, 40, 50), make_scene(1, 45, 41)
    distances = [match(a, b, iterations=n, method=method).distance for n in range(5)]
    for before, after in pairwise(distances):
        assert (after <= before).all()
    best = match_brute_force(a, b)
    again = match(a, b, init=best.field, method=method)
    assert np.allclose(again.distance, best.distance)
    if method == "classic":
        kept = match(a, b, iterations=0, init=best.field)
        assert np.array_equal(kept.field, best.field)


@st.composite
def searches(draw: st.DrawFn) -> dict[str, Any]:
    """Any two pictures, with or without a mask and a beginning."""
    sides = [draw(st.integers(1, 40)) for _ in range(4)]
    channels, gray = draw(st.integers(1, 5)), draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    flat, kinds = draw(st.booleans()), [draw(st.sampled_from(KINDS)) for _ in "ab"]
    a, b = (
        (rng.integers(0, 256, (*sides[k : k + 2], channels)) // (64 if flat else 1)).astype(kind)
        for k, kind in zip((0, 2), kinds, strict=True)
    )
    mask = init = None
    if draw(st.booleans()):
        mask = rng.random(b.shape[:2]) < 0.7
        mask[rng.integers(b.shape[0]), rng.integers(b.shape[1])] = False
    if draw(st.booleans()):
        init = rng.integers(0, b.shape[:2], (*a.shape[:2], 2))
    largest = (min(sides) - 1) // 2
    return {
        "a": a[..., 0] if gray else a,
        "b": b[..., 0] if gray else b,
        "patch": 1 + 2 * draw(st.integers(0, min(largest, 7))),
        "iterations": draw(st.integers(0, 3)),
        "seed": draw(st.integers(0, 2**64 - 1)),
        "init": init,
        "mask": mask,
        "method": draw(st.sampled_from(METHODS)),
        "threads": draw(st.integers(1, 3)),
    }


@settings(max_examples=60, deadline=None)
@given(searches())
def test_whatever_is_searched_is_a_field_with_its_distances(search: dict[str, Any]):
    found, mask = match(**search), search["mask"]
    a, b = (np.atleast_3d(search[n].astype(float)) for n in "ab")
    assert found.field.dtype == np.int32 and found.distance.dtype == np.float32
    assert found.field.shape == (*a.shape[:2], 2) and found.distance.shape == a.shape[:2]
    assert (found.field >= 0).all() and (found.field < b.shape[:2]).all()
    allowed = np.ones(a.shape[:2], bool) if mask is None else ~mask[tuple(found.field.T)].T
    if search["init"] is None or search["method"] == "accurate":
        assert allowed.all()
    assert np.isinf(found.distance[~allowed]).all()
    here = tuple(np.random.default_rng(0).integers(0, a.shape[:2]))
    if allowed[here]:
        apart = fields.window(a, here, search["patch"])
        apart = apart - fields.window(b, tuple(found.field[here]), search["patch"])
        assert found.distance[here] == pytest.approx((apart**2).mean(), rel=1e-3, abs=1e-3)


GRAY = np.zeros((6, 8), np.uint8)
FIELD = np.zeros((6, 8, 2), np.int32)


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (["a holds <U1"], {"a": np.full((3, 3), "x")}),
        (["a has shape (6,)"], {"a": GRAY[:, 0]}),
        (["b has shape (0, 8)"], {"b": GRAY[:0]}),
        (["b holds NaN"], {"b": np.full((6, 8), np.nan)}),
        (["a has 3 channels and b 1"], {"a": np.zeros((6, 8, 3), np.uint8)}),
        (["patch is 4", "odd"], {"patch": 4}),
        (["patch is 0"], {"patch": 0}),
        (["patch is 3.0"], {"patch": 3.0}),
        (["patch is 7", "b has only 6 x 8"], {"patch": 7, "a": np.zeros((9, 9), np.uint8)}),
        (["iterations is -1"], {"iterations": -1}),
        (["seed is -1"], {"seed": -1}),
        (["threads is 0"], {"threads": 0}),
        (["method is 'best'", "classic or accurate"], {"method": "best"}),
        (["mask is true everywhere"], {"mask": np.ones((6, 8), bool)}),
        (["mask has shape (0, 0)"], {"mask": np.zeros((0, 0), bool)}),
        (["mask holds float64"], {"mask": np.zeros((6, 8))}),
        (["init has shape (6, 8)"], {"init": GRAY}),
        (["init holds float64"], {"init": FIELD.astype(float)}),
        (["init points outside"], {"init": FIELD + 6}),
        (["init points outside"], {"init": FIELD - 1}),
    ],
)
def test_refused_in_one_line(words: list[str], changed: dict[str, Any]):
    with expect_user_error(*words):
        given: dict[str, Any] = {"a": GRAY, "b": GRAY}
        match(**(given | changed))
