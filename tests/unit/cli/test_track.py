"""Fields of a video."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from smalti.patchmatch import match, track
from smalti.patchmatch.video import (
    PreviousFrame,
    estimate_motion,
    make_identity_field,
    warp_previous_field,
)
from tests.expect import expect_user_error


def scene(seed: int, H: int, W: int) -> np.ndarray:
    """Soft noise, uint8 (H, W, 3)."""
    noise = np.random.default_rng(seed).normal(size=(H, W, 3))
    soft = ndimage.gaussian_filter(noise, (1.5, 1.5, 0))
    return ((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


def pan(frames: int, down: int, right: int, size: int = 48) -> list[np.ndarray]:
    whole = scene(0, size + frames * abs(down), size + frames * abs(right))
    return [whole[k * down : k * down + size, k * right : k * right + size] for k in range(frames)]


@pytest.mark.parametrize("move", [(0, 0), (3, -7), (-1, 12), (20, 0)])
def test_motion_is_found(move: tuple[int, int]):
    whole = scene(1, 140, 140).mean(-1)
    i, j = 40, 40
    now = whole[i - move[0] : i - move[0] + 60, j - move[1] : j - move[1] + 60]
    assert estimate_motion(whole[i : i + 60, j : j + 60], now) == move


def test_a_field_is_carried_with_the_picture():
    first, second = pan(2, 2, 5)
    field = warp_previous_field(PreviousFrame(first, make_identity_field(first)), second)
    assert field is not None
    here = field[10:30, 10:30] - make_identity_field(second)[10:30, 10:30]
    assert (here == [2, 5]).all(-1).mean() > 0.95  # the same thing, further on in the first frame


def test_a_field_is_not_carried_to_another_size():
    first, second = scene(0, 20, 20), scene(0, 20, 21)
    assert warp_previous_field(PreviousFrame(first, make_identity_field(first)), second) is None


def test_the_first_frame_is_the_reference():
    frames = pan(3, 1, 2)
    found = [*track(frames)]
    assert len(found) == 3
    assert np.array_equal(found[0].field, make_identity_field(frames[0]))
    assert not found[0].distance.any()
    shapes = {(m.field.shape, m.distance.dtype.name) for m in found}
    assert shapes == {((48, 48, 2), "float32")}


def test_a_warm_start_needs_fewer_iterations():
    frames = pan(6, 1, 3)
    reference = scene(0, 54, 66)  # holds all that the frames show

    def error(warm: bool) -> float:
        found = [
            *track(
                frames,
                reference,
                iterations=1,
                first_iterations=1 if not warm else 5,
                warm_start=warm,
            )
        ]
        return float(np.mean([m.distance.mean() for m in found[1:]]))

    assert error(warm=True) < 0.3 * error(warm=False)


def test_cold_frames_are_those_of_match():
    frames, reference = pan(2, 1, 1), scene(5, 50, 50)
    cold = [*track(frames, reference, first_iterations=2, warm_start=False, seed=3)]
    alone = match(frames[1], reference, 3, 2, seed=4)
    assert np.array_equal(cold[1].field, alone.field)


def test_frames_are_taken_one_by_one():
    taken: list[int] = []

    def film():
        for k, frame in enumerate(pan(3, 1, 1)):
            taken.append(k)
            yield frame

    walk = track(film())
    assert next(walk).field.shape == (48, 48, 2)
    assert taken == [0]


def test_nothing_is_found_where_the_mask_is():
    frames = pan(3, 1, 1)
    mask = np.zeros((48, 48), bool)
    mask[:, :24] = True
    for found in track(frames, mask=mask):
        assert (found.field[..., 1] >= 24).all()


def test_a_faulty_frame_is_named():
    with expect_user_error("frame 1: ", "channels"):
        list(track([scene(0, 20, 20), scene(0, 20, 20)[..., 0]]))
