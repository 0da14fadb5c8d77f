"""A is to A' as B is to B'."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from smalti.patchmatch import make_analogy, psnr
from tests.expect import expect_user_error


def make_scene(seed: int, H: int, W: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(H, W)), 2)
    return ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)


def invert(x: np.ndarray) -> np.ndarray:
    return np.stack([255 - x, x // 2, x], axis=-1)


def test_a_change_of_colors_is_learned():
    a, b = make_scene(0, 60, 64), make_scene(1, 50, 56)
    b2 = make_analogy(a, invert(a), b)
    assert (b2.shape, b2.dtype) == ((50, 56, 3), np.uint8)
    assert psnr(b2, invert(b)) > 22


def test_regions_become_textures():
    """Stripes where the map is light, dots' mean where it is dark."""
    i, j = np.indices((48, 48))
    regions = np.where(j < 24, 0.0, 1.0)
    texture = np.where(j < 24, 0.5, j % 4 < 2)
    other = np.where(i < 24, 0.0, 1.0)
    drawn = make_analogy(regions, texture, other, guide_weight=2.0)
    assert drawn.dtype == np.float64 and abs(drawn[4:12] - 0.5).mean() < 0.05
    assert drawn[30:, 4:-4].std(1).mean() > 0.3  # stripes, where there was nothing to see
    down, right = (abs(np.diff(drawn[30:, 4:-4], axis=k)).mean() for k in (0, 1))
    assert right > 3 * down


@pytest.mark.parametrize("completeness", [0.0, 1.0])
def test_the_same_for_a_seed(completeness: float):
    a, b = make_scene(0, 40, 40), make_scene(1, 40, 30)
    one, two = (make_analogy(a, invert(a), b, completeness=completeness, seed=2) for _ in range(2))
    assert np.array_equal(one, two)


def test_what_a2_shows_must_be_in_b2_when_it_is_to_be_complete():
    a, b = np.zeros((30, 30)), np.zeros((30, 30))
    a2 = np.zeros((30, 30))
    a2[10:20, 10:20] = 1
    shown = [make_analogy(a, a2, b, completeness=c).sum() for c in (0.0, 2.0)]
    assert shown[1] > shown[0] + 5 or shown[0] > 40


def test_analogy_refuses():
    x = make_scene(0, 20, 20)
    with expect_user_error("a has 20 x 20 pixels and a2 20 x 19"):
        make_analogy(x, x[:, 1:], x)
    with expect_user_error("channels"):
        make_analogy(x, x, invert(x))
    with expect_user_error("guide_weight is -1"):
        make_analogy(x, x, x, guide_weight=-1)
    with expect_user_error("patch is 4"):
        make_analogy(x, x, x, patch=4)
