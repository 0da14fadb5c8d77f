"""Inpainting with patches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from smalti.patchmatch import inpaint, psnr
from smalti.patchmatch.inpainting_kernels import Hole, compute_costs, compute_distance, sweep
from smalti.patchmatch.multiscale import compute_depth, downsample, fill_smoothly, upsample_field
from tests.expect import expect_user_error


def make_waves(H: int = 72, W: int = 80) -> np.ndarray:
    """uint8 (H, W, 3) that repeats itself every 12 rows and 16 columns."""
    i, j = np.indices((H, W))
    tones = [np.sin(i * np.pi / 6), np.cos(j * np.pi / 8), np.sin(i * np.pi / 6 + j * np.pi / 8)]
    return np.rint(127.5 + 100 * np.stack(tones, axis=-1)).astype(np.uint8)


def make_box(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(shape[:2], bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_what_repeats_itself_is_found_again():
    x = make_waves()
    mask = make_box(x.shape, 24, 30, 22, 24)
    holed = np.where(mask[..., None], 0, x).astype(np.uint8)
    assert psnr(inpaint(holed, mask)[mask], x[mask]) > 24
    mean = np.broadcast_to(x[~mask].mean(0), x[mask].shape)
    assert psnr(mean.astype(np.uint8), x[mask]) < 12


def test_an_object_on_a_ground_goes():
    """Its color is only in the mask, so none is left."""
    x = np.full((60, 60, 3), (40, 160, 40), np.uint8)
    x[20:40, 20:40] = (255, 0, 0)
    out = inpaint(x, make_box(x.shape, 18, 18, 24, 24))
    assert (out == (40, 160, 40)).all()


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["uint8", "int16", "uint16", "float32", "float64"]),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.sampled_from([3, 5, 7]),
)
def test_the_rest_comes_back_to_the_bit(seed: int, dtype: str, channels: int | None, patch: int):
    rng = np.random.default_rng(seed)
    H, W = rng.integers(2 * patch + 4, 40, 2)
    x = rng.integers(0, 200, (H, W) if channels is None else (H, W, channels)).astype(dtype)
    x = x / 7 if x.dtype.kind == "f" else x
    i, j = rng.integers(0, H - 4), rng.integers(0, W - 4)
    mask = make_box(x.shape, i, j, *rng.integers(1, 5, 2))
    before = x.copy()
    out = inpaint(x, mask, patch, seed=seed)
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert np.array_equal(out[~mask], x[~mask]) and np.array_equal(x, before)
    known, new = x[~mask].astype(float), out[mask].astype(float)
    assert known.min() - 1 <= new.min() and new.max() <= known.max() + 1


def test_what_lies_in_the_hole_is_not_looked_at():
    x = make_waves().astype(np.float64)
    mask = make_box(x.shape, 20, 20, 15, 15)
    other = np.where(mask[..., None], np.nan, x)
    assert np.array_equal(inpaint(x, mask), inpaint(other, mask))


@pytest.mark.parametrize("scale", [1e-6, 1 / 255, 1e12])
def test_units_do_not_matter(scale: float):
    x = make_waves(40, 40).astype(np.float64)
    mask = make_box(x.shape, 10, 10, 12, 12)
    assert np.allclose(inpaint(x * scale, mask) / scale, inpaint(x, mask), atol=0.5)


def test_the_same_for_a_seed_whatever_the_threads():
    x = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    mask = make_box(x.shape, 10, 10, 20, 25)
    one = inpaint(x, mask, seed=4, threads=1)
    assert np.array_equal(one, inpaint(x, mask, seed=4, threads=3))
    assert not np.array_equal(one, inpaint(x, mask, seed=5))


def test_holes_may_touch_the_edges_and_be_many():
    x = make_waves()
    mask = (
        make_box(x.shape, 0, 0, 15, 20)
        | make_box(x.shape, 50, 60, 22, 20)
        | make_box(x.shape, 30, 5, 3, 60)
    )
    assert psnr(inpaint(x, mask)[mask], x[mask]) > 17


def test_an_empty_mask_changes_nothing():
    x = make_waves()
    out = inpaint(x, np.zeros(x.shape[:2], bool))
    assert np.array_equal(out, x) and out is not x


def test_inpaint_refuses():
    x, mask = make_waves(20, 20), make_box((20, 20), 5, 5, 4, 4)
    with expect_user_error("mask has shape (3, 3)"):
        inpaint(x, mask[:3, :3])
    with expect_user_error("mask is true everywhere"):
        inpaint(x, np.ones((20, 20), bool))
    with expect_user_error("mask holds float64"):
        inpaint(x, mask * 0.5)
    with expect_user_error("patch is 4"):
        inpaint(x, mask, 4)
    with expect_user_error("no patch of 7 x 7 pixels is outside the mask"):
        inpaint(x, ~make_box(x.shape, 8, 8, 4, 4))
    with expect_user_error("picture holds NaN"):
        inpaint(np.full((20, 20), np.nan), mask)
    with expect_user_error("seed is -1"):
        inpaint(x, mask, seed=-1)


# ---- compiled kernels against naive ones


def make_hole(picture: np.ndarray, target: np.ndarray, patch: int, confidence: np.ndarray) -> Hole:
    r, C = patch // 2, picture.shape[2]
    flat = np.pad(picture, ((r, r), (r, r), (0, 0)), mode="edge")
    weights = np.pad(confidence, r, mode="edge").repeat(C, 1)
    return Hole(flat.reshape(len(flat), -1), weights, target, patch, C)


def naive_distance(hole: Hole, p: tuple[int, int], q: tuple[int, int]) -> float:
    C, n = hole.channels, hole.patch
    i, j = p
    x, y = (hole.flat[a : a + n, b * C : (b + n) * C].astype(float) for a, b in (p, q))
    return float((hole.confidence[i : i + n, j * C : (j + n) * C] * (x - y) ** 2).sum())


@pytest.mark.parametrize("channels", [1, 3])
def test_distances_and_sweeps(channels: int):
    rng = np.random.default_rng(channels)
    picture = rng.random((14, 15, channels), dtype=np.float32)
    confidence = rng.random((14, 15), dtype=np.float32)
    target = make_box((14, 15), 4, 5, 6, 6)
    hole = make_hole(picture, target, 5, confidence)
    sources = np.argwhere(~target)
    field = sources[rng.integers(len(sources), size=(14, 15))].astype(np.int32)
    cost = np.zeros((14, 15), np.float32)
    compute_costs(hole, field, cost, 0, 14)
    twin = {
        (i, j): naive_distance(hole, (i, j), tuple(field[i, j])) for i, j in np.argwhere(target)
    }
    assert all(np.isclose(cost[p], d, rtol=1e-4) for p, d in twin.items())
    assert not cost[~target].any()
    best = {p: min(naive_distance(hole, p, tuple(q)) for q in sources) for p in twin}
    for n in range(20):
        sweep(hole, field, cost, np.uint64(n), 1 - 2 * (n % 2), 0, 14)
    assert not target[field[..., 0], field[..., 1]].any()
    assert all(
        np.isclose(cost[p], naive_distance(hole, p, tuple(field[p])), rtol=1e-4) for p in twin
    )
    assert np.mean([cost[p] for p in twin]) < 1.1 * np.mean([*best.values()])
    assert compute_distance(hole, 5, 5, 0, 0, np.float32(0)) > 0  # stops, at a part of the sum


def test_sizes_and_their_ways_back():
    x = np.arange(30, dtype=np.float32).reshape(5, 6, 1)
    hole = make_box((5, 6), 0, 0, 2, 3)
    small, lack = downsample(x, hole)
    assert small.shape == (3, 3, 1) and lack.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert small[0, 1, 0] == np.mean([3, 9]) and small[2, 2, 0] == np.mean([28, 29])
    field = np.moveaxis(np.indices((3, 3), np.int32), 0, -1)
    back = upsample_field(field, (5, 6), (5, 6))
    assert np.array_equal(back, np.moveaxis(np.indices((5, 6)), 0, -1))
    assert compute_depth(hole)[0].tolist() == [2, 2, 1, 0, 0, 0]


def test_a_seamless_filling_lies_between_its_surroundings():
    x = np.repeat(np.linspace(0, 1, 40, dtype=np.float32)[None], 40, 0)[..., None]
    mask = make_box((40, 40), 10, 10, 20, 20)
    full = fill_smoothly(np.where(mask[..., None], 9, x).astype(np.float32), mask)
    assert np.array_equal(full[~mask], x[~mask])
    assert x[:, 10].min() - 0.1 <= full[mask].min() and abs(full - x)[mask].max() < 0.2
    assert ndimage.laplace(full[..., 0]).max() < 0.2
