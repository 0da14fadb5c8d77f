"""The process and the samplers give the reference's numbers for the reference's noises."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from safetensors import safe_open
from torch import Tensor

from smalti.diffusion import DDIM, Linear
from smalti.diffusion.process import add_noise, compute_x0, ddpm_step, posterior_variance
from smalti.diffusion.timesteps import look_up_alpha_bar

FILE = Path(__file__).parent / "dldemos_diffusion.safetensors"
STEPS = range(4)


@cache
def golden() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(config, tensors, floating ones as float64)."""
    with safe_open(FILE, "pt") as file:
        config = json.loads(file.metadata()["config"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    return config, {k: v.double() if v.is_floating_point() else v for k, v in tensors.items()}


def alpha_bars() -> Tensor:
    config, _ = golden()
    first, last = config["beta"]
    return Linear(T=config["n_steps"], beta_start=first, beta_end=last).compute_alpha_bars()


def denoiser() -> Callable[[Tensor, int], Tensor]:
    """x0 as predicted by the file's toy network."""
    a = alpha_bars()

    def denoise(x: Tensor, t: int) -> Tensor:
        eps = 0.3 * x.tanh() + 0.1 * math.cos(t / 100) * x
        return compute_x0("eps", eps, x, a[t])

    return denoise


def assert_agree(ours: Tensor, theirs: Tensor) -> None:
    """To 1e-5 * max(1, |value|): some values reach hundreds."""
    error = (ours - theirs).abs() / theirs.abs().clamp(min=1)
    assert ours.shape == theirs.shape
    assert error.max() < 1e-5


def test_alpha_bars() -> None:
    assert_agree(alpha_bars(), golden()[1]["alpha_bars"])


def test_noised_pictures() -> None:
    _, g = golden()
    a_t = alpha_bars()[g["t"]][:, None, None, None]
    assert_agree(add_noise(g["x0"], g["noise"], a_t), g["x_t"])


@pytest.mark.parametrize("i", STEPS)
@pytest.mark.parametrize("variance", ["beta", "beta-tilde"])
def test_single_ddpm_steps(variance: Literal["beta", "beta-tilde"], i: int) -> None:
    config, g = golden()
    assert len(config["step_ts"]) == len(STEPS)
    t, x = config["step_ts"][i], g["x_T"]
    a_t, a_s = alpha_bars()[t], look_up_alpha_bar(alpha_bars(), t - 1)
    expected = g["ddpm_step_large" if variance == "beta" else "ddpm_step_small"][i]
    size = 1 - a_t / a_s if variance == "beta" else posterior_variance(a_t, a_s)
    noise = g["step_noises"][i] * (t > 0)  # the last step adds none
    assert_agree(ddpm_step(x, denoiser()(x, t), a_t, a_s, variance=size, noise=noise), expected)


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("eta0", DDIM(eta=0, clip=False)),
        ("eta1", DDIM(eta=1, clip=False)),
        ("sigma_hat", DDIM(sigma_hat=True, noise_last_step=True, clip=False)),
    ],
)
def test_twenty_ddim_steps(name: str, sampler: DDIM) -> None:
    config, g = golden()
    assert sampler.steps == config["ddim_steps"]
    noises = iter(g["step_noises"])
    a = alpha_bars()
    *_, last = sampler.stream(
        denoiser(), g["x_T"], a, lambda: next(noises), sampler.choose_timesteps(len(a))
    )
    assert_agree(last.x, g[f"ddim20_{name}"])
    assert last.x.abs().max() > 100  # so the test saw the large values


def test_the_options_that_the_file_pins_matter() -> None:
    """Without the article's noise on the last step, sigma-hat ends elsewhere."""
    noises = iter(golden()[1]["step_noises"])
    sampler = DDIM(sigma_hat=True, noise_last_step=False, clip=False)
    a, x = alpha_bars(), golden()[1]["x_T"]
    *_, last = sampler.stream(
        denoiser(), x, a, lambda: next(noises), sampler.choose_timesteps(len(a))
    )
    assert (last.x - golden()[1]["ddim20_sigma_hat"]).abs().max() > 0.01
