"""Canvases of diffusion models, denoised in windows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import smalti
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import DDIM, DDPM, Consistency, Diffusion, DPMSolver, UniPC, Windows
from smalti.diffusion.windows import WindowedPrediction, choose_starts, plan_windows
from tests.expect import expect_user_error
from tests.tiny import diffusion_config, draw_pictures, latent_config, randomize_zeros


@given(
    st.integers(1, 300), st.integers(1, 64), st.floats(0, 0.9), st.floats(0, 0.999), st.booleans()
)
def test_windows_cover_a_side(side: int, window: int, overlap: float, shift: float, wraps: bool):
    starts = choose_starts(side, window, overlap, shift, wraps)
    size = window if wraps else min(window, side)
    seen = {(start + k) % side for start in starts for k in range(size)}
    assert seen == {*range(side)}
    assert wraps or all(0 <= start <= side - size for start in starts)


@pytest.mark.parametrize("wraps", [False, True])
def test_a_prediction_of_single_pixels_is_that_of_the_whole(wraps: bool) -> None:
    x = torch.randn(3, 2, 20, 13)
    maps = torch.randn(3, 1, 20, 13)
    windows = WindowedPrediction((8, 8), 0.25, wraps)

    def predict(x: Tensor, samples: Tensor, maps: Tensor | None) -> Tensor:
        assert x.shape[1:] == (2, 8, 8) and maps is not None
        return torch.cat([x, maps], dim=1) * (1 + samples)[:, None, None, None]

    for _ in range(3):
        expected = torch.cat([x, maps], dim=1) * torch.tensor([1, 2, 3])[:, None, None, None]
        torch.testing.assert_close(windows(predict, x, maps), expected)


def test_windows_move_and_see_their_own_part() -> None:
    x = torch.zeros(1, 1, 40, 40)
    windows = WindowedPrediction((8, 8), 0.0, wraps=False)
    seen: list[Tensor] = []

    def predict(x: Tensor, samples: Tensor, maps: Tensor | None) -> Tensor:
        return torch.arange(len(x), dtype=x.dtype)[:, None, None, None].expand_as(x)

    for _ in range(4):
        seen.append(windows(predict, x, None)[0, 0])
    assert not any(torch.equal(a, b) for k, a in enumerate(seen) for b in seen[:k])


@pytest.mark.parametrize("side", [5, 8, 20])
def test_wrapped_windows_know_no_border(side: int) -> None:
    """What lies left of the first column is the last one: rolling the canvas rolls the result."""
    x = torch.randn(1, 1, side, side)

    def predict(x: Tensor, samples: Tensor, maps: Tensor | None) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 3, 1, 1)

    means = []
    for roll in (0, 3):
        windows = WindowedPrediction((8, 8), 0.5, wraps=True)
        drawn = [windows(predict, x.roll(roll, 3), None) for _ in range(200)]
        means.append(torch.stack(drawn).mean(0).roll(-roll, 3))
    assert (means[0] - means[1]).abs().max() < 0.05 * x.abs().max()


WINDOWS = Windows()


def model(windows: Windows | None = WINDOWS) -> Diffusion:
    torch.manual_seed(0)
    config = diffusion_config((1, 8, 8), ("a", "b"), windows=windows, sampler=DDIM(3))
    return randomize_zeros(config.build()).eval()


def test_large_canvases_are_drawn_in_windows_if_the_model_asks_for_it() -> None:
    size = SamplingInputs(size=(12, 21))
    drawn = [draw_pictures(model(w), 2, inputs=size, cond=["a", "b"]) for w in (Windows(), None)]
    assert all(x.shape == (2, 1, 12, 21) for x in drawn)
    assert not torch.allclose(drawn[0], drawn[1])
    own = [draw_pictures(model(w), 2, cond=["a", "b"]) for w in (Windows(), None)]
    torch.testing.assert_close(*own)


def test_windows_may_be_larger_than_in_training() -> None:
    windows, shape = Windows(scale=1.5), (1, 8, 8)
    assert plan_windows(windows, shape, torch.zeros(1, 1, 12, 12), wraps=False) is None
    found = plan_windows(windows, shape, torch.zeros(1, 1, 13, 12), wraps=False)
    assert found is not None and found.window == (12, 12)


@pytest.mark.parametrize(
    "sampler", [DDIM(3), DDPM(stride=300), DPMSolver(3), UniPC(3), Consistency(2)]
)
def test_any_sampler_draws_pictures_that_tile(sampler: Any) -> None:
    inputs, seamless = SamplingInputs(size=(12, 20)), replace(sampler, seamless=True)
    batch, alone, plain = (
        smalti.sample(model(), seeds=seeds, cond="a", inputs=inputs, sampler=one)
        for seeds, one in (([4, 5], seamless), ([5], seamless), ([4, 5], sampler))
    )
    assert isinstance(batch, Tensor) and isinstance(alone, Tensor) and isinstance(plain, Tensor)
    torch.testing.assert_close(batch[1:], alone, atol=1e-5, rtol=0)
    assert not torch.allclose(batch, plain)


def test_latents_that_tile_are_decoded_without_a_border() -> None:
    """Rolling the latents of a picture that tiles rolls the picture."""
    torch.manual_seed(0)
    m = randomize_zeros(latent_config((1, 16, 16)).build()).eval()
    factor = m.space.downsampling_factor
    x = torch.randn(1, *m.compute_noise_shape((32, 32)))
    drawn = m.space.decode(x, (32, 32), wraps=True)
    rolled = m.space.decode(x.roll(1, 3), (32, 32), wraps=True)
    torch.testing.assert_close(rolled, drawn.roll(factor, 3), atol=1e-4, rtol=0)
    plain = m.space.decode(x.roll(1, 3), (32, 32)).roll(-factor, 3)
    assert (plain - m.space.decode(x, (32, 32))).abs().max() > 1e-3
    seamless = DDIM(2, seamless=True)
    size = SamplingInputs(size=(32, 48))
    assert draw_pictures(m, 1, inputs=size, sampler=seamless).shape == (1, 1, 32, 48)
    with expect_user_error("a seamless picture of 33x32", f"give multiples of {factor}"):
        draw_pictures(m, 1, inputs=SamplingInputs(size=(33, 32)), sampler=seamless)
