"""Reconstruction from a field, its measures and visualization."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti.patchmatch import (
    Match,
    compute_consistency,
    distance_to_picture,
    flow_to_picture,
    match,
    psnr,
    reconstruct,
)
from smalti.patchmatch.votes import add_votes, average_votes
from tests.expect import expect_user_error
from tests.naive import votes as naive


def make_identity_field(H: int, W: int) -> np.ndarray:
    return np.moveaxis(np.indices((H, W), np.int32), 0, -1).copy()


def draw_picture(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def make_shifted_field(H: int, W: int, down: int, right: int) -> np.ndarray:
    return make_identity_field(H, W) + np.array([down, right], np.int32)


# ---- reconstruct


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 7]), st.integers(1, 3), st.integers(1, 3))
def test_votes_are_those_of_the_slow_twin(seed: int, patch: int, channels: int, threads: int):
    rng = np.random.default_rng(seed)
    b = rng.random((*rng.integers(patch, 12, 2), channels), dtype=np.float32)
    H, W = rng.integers(1, 12, 2)
    field = rng.integers(0, b.shape[:2], (H, W, 2)).astype(np.int32)
    weights = rng.random((H, W), dtype=np.float32) + np.float32(0.1)
    r = patch // 2
    source, out = np.pad(b, ((r, r), (r, r), (0, 0)), mode="edge"), np.zeros((H, W, channels), "f4")
    average_votes(source, field, weights, np.ones((H, W), bool), out, patch, threads)
    assert np.allclose(out, naive.average_votes(b, field, weights, patch), atol=1e-5)


def test_votes_leave_alone_what_is_not_wanted_or_not_covered():
    source, field = np.ones((4, 4, 1), np.float32), np.zeros((2, 2, 2), np.int32)
    mask, out = np.array([[True, False], [True, True]]), np.full((2, 2, 1), 7, np.float32)
    average_votes(source, field, np.zeros((2, 2), np.float32), mask, out, 3)
    assert (out == 7).all()
    average_votes(source, field, np.ones((2, 2), np.float32), mask, out, 3)
    assert np.allclose(out[..., 0], np.where(mask, 1, 7))


def test_patches_are_cast_where_the_field_says():
    a, field = np.arange(9, dtype=np.float32).reshape(3, 3, 1), np.array([[[1, 2]]], np.int32)
    sums, counts = np.zeros((5, 6, 1), np.float32), np.zeros((5, 6), np.float32)
    add_votes(a, field, sums, counts, 3)
    assert np.array_equal(sums[1:4, 2:5], a)
    assert counts.sum() == 9 and (counts[1:4, 2:5] == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.bool_])
@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3)])
@pytest.mark.parametrize("patch", [1, 3])
def test_the_identity_gives_the_picture_in_its_own_type(dtype, shape, patch: int):
    b = (
        (draw_picture(0, *shape) > 127)
        if dtype == np.bool_
        else draw_picture(0, *shape).astype(dtype)
    )
    back = reconstruct(b, make_identity_field(9, 8), patch)
    assert (back.dtype, back.shape) == (b.dtype, b.shape)
    assert np.allclose(back, b, rtol=1e-6)


def test_a_copy_takes_the_matched_pixels_for_a_picture_of_another_size():
    b, field = draw_picture(1, 9, 8, 3), np.array([[[8, 7], [0, 3], [4, 4]]])
    assert np.array_equal(reconstruct(b, field), b[[8, 0, 4], [7, 3, 4]][None])


def test_votes_come_nearer_than_copies():
    base = np.add.outer(np.arange(40.0), 2 * np.arange(40.0))
    rng = np.random.default_rng(0)
    a, b = (base + rng.normal(0, 10, base.shape) for _ in range(2))
    found = match(a, b, 5, 3)
    near, far = (psnr(base, reconstruct(b, found, p), peak=120) for p in (5, 1))
    assert near > far + 3


def test_reconstruct_refuses():
    b = draw_picture(0, 6, 6)
    with expect_user_error("field is float64"):
        reconstruct(b, np.zeros((6, 6, 2)))
    with expect_user_error("field points outside of b", "0..5"):
        reconstruct(b, make_identity_field(7, 6))
    with expect_user_error("patch is 2"):
        reconstruct(b, make_identity_field(6, 6), 2)


# ---- psnr


def test_psnr_is_in_decibels_of_the_types_range():
    x = np.zeros((4, 4), np.uint8)
    assert psnr(x, x + 1) == pytest.approx(20 * np.log10(255))
    assert psnr(x / 255, (x + 1) / 255) == pytest.approx(20 * np.log10(255))
    assert psnr(x.astype(float), x + 2.0, peak=20) == pytest.approx(20)
    assert psnr(x, x) == float("inf")
    assert psnr(x, x + 255) == 0  # no wrapping around


def test_psnr_refuses():
    with expect_user_error("shapes (2, 2) and (2, 3)"):
        psnr(np.zeros((2, 2)), np.zeros((2, 3)))
    with expect_user_error("peak is 0"):
        psnr(np.zeros((2, 2)), np.ones((2, 2)), peak=0)


# ---- consistency


def test_what_leads_back_is_consistent():
    there, back = make_shifted_field(6, 7, 1, 2), make_shifted_field(8, 9, 0, 0)
    back = np.maximum(back - [1, 2], 0)
    assert compute_consistency(there, back.clip(0, [5, 6])).all()
    back[3, 4] = [2, 4]  # two columns off
    holds = compute_consistency(there, back.clip(0, [5, 6]), tolerance=1)
    assert not holds[2, 2] and holds.sum() == holds.size - 1
    assert compute_consistency(there, back.clip(0, [5, 6]), tolerance=2).all()


def test_what_is_hidden_in_the_other_picture_does_not_lead_back():
    a = draw_picture(3, 30, 30)
    b = a.copy()
    b[10:20, 10:20] = draw_picture(4, 10, 10)
    begin = make_identity_field(30, 30)
    there, back = match(a, b, 3, 2, init=begin), match(b, a, 3, 2, init=begin)
    holds = compute_consistency(there, back, 0)
    assert holds[:8].all()
    assert holds[11:19, 11:19].mean() < 0.5


def test_consistency_refuses():
    with expect_user_error("forward points outside of the backward field"):
        compute_consistency(make_identity_field(5, 5), make_identity_field(4, 5))
    with expect_user_error("tolerance is -1"):
        compute_consistency(make_identity_field(5, 5), make_identity_field(5, 5), -1)


# ---- pictures


def test_directions_have_the_colors_of_flow():
    white = flow_to_picture(make_identity_field(5, 5))
    assert white.dtype == np.uint8 and (white == 255).all()
    names = {(0, 9): "red", (0, -9): "cyan", (9, 0): "yellow-green", (-9, 0): "violet"}
    colors = {
        n: flow_to_picture(make_shifted_field(2, 2, *d))[0, 0].tolist() for d, n in names.items()
    }
    assert colors["red"] == [255, 0, 0]
    assert colors["cyan"][0] == 0 and min(colors["cyan"][1:]) > 180
    assert colors["yellow-green"][1] > 200 and colors["yellow-green"][2] == 0
    assert colors["violet"][1] == 0 and colors["violet"][2] > 200


def test_far_matches_are_strong_in_color():
    field = make_identity_field(1, 3)
    field[0, :, 1] += [0, 5, 10]
    assert flow_to_picture(field, furthest=10)[0].tolist() == [
        [255, 255, 255], [255, 128, 128], [255, 0, 0]
    ]  # fmt: skip
    with expect_user_error("furthest is 0"):
        flow_to_picture(field, furthest=0)


def test_large_distances_are_light():
    d = np.linspace(0, 100, 50, dtype=np.float32).reshape(5, 10)
    heat = distance_to_picture(d, largest=100)
    assert heat.shape == (5, 10, 3) and heat.dtype == np.uint8
    assert heat[0, 0].tolist() == [0, 0, 0] and heat[-1, -1].min() >= 160
    assert (np.diff(heat.astype(int).sum(-1).ravel()) >= 0).all()
    assert (distance_to_picture(np.zeros((3, 3))) == 0).all()
    assert np.array_equal(heat, distance_to_picture(Match(make_identity_field(5, 10), d), 100))
    with expect_user_error("distance has shape (3,)"):
        distance_to_picture(np.zeros(3))
