"""Trajectories agree with those of the diffusers library, state by state, given equal noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers.schedulers import scheduling_ddpm
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from smalti.core.rng import Rng
from smalti.diffusion import DDIM, DDPM, Cosine, Diffusion, Hybrid, Linear
from smalti.diffusion.likelihood import compute_log_variance
from tests.tiny import FormulaConfig, diffusion_config

T, STEPS, SHAPE, SEEDS = 30, 6, (1, 6, 6), (0, 7)
SCHEDULES = {"linear": Linear(T), "cosine": Cosine(T)}
PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
VARIANCES: dict[str, Any] = {"beta-tilde": "fixed_small", "beta": "fixed_large"}

each = pytest.mark.parametrize
pytestmark = [each("prediction", PREDICTIONS), each("schedule", SCHEDULES)]


def compute_waves(x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """A function of pixels, their neighbors and the level, in place of a network's seconds."""
    return 0.5 * torch.sin(x + 0.5 * x.roll((1, 1), (2, 3)) + t.view(-1, 1, 1, 1) / 7)


def compute_two_waves(x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """As `compute_waves`, and a v for the variance."""
    return torch.cat([compute_waves(x, t), torch.cos(3 * x)], dim=1)


def build_model(
    prediction: Any, schedule: str, formula: Any = compute_waves, **changes: Any
) -> Diffusion:
    changes |= {"network": FormulaConfig(formula), "prediction": prediction}
    config = diffusion_config(SHAPE, schedule=SCHEDULES[schedule], **changes)
    return config.build().eval()


def compute_betas(schedule: str) -> Tensor:
    a = SCHEDULES[schedule].compute_alpha_bars()
    return 1 - a / torch.cat([torch.ones(1), a[:-1]])


def scheduler_settings(schedule: str, prediction: str) -> dict[str, Any]:
    """The linear betas as their own formula makes them; ours for the schedule they do not have."""
    betas: dict[str, Any] = {"trained_betas": compute_betas(schedule).numpy()}
    if schedule == "linear":
        betas = {"beta_start": 1e-4 * 1000 / T, "beta_end": 0.02 * 1000 / T}
    return {"num_train_timesteps": T, "prediction_type": PREDICTIONS[prediction], **betas}


def widen_table(scheduler: Any, schedule: str) -> Any:
    """Their table of alpha-bars is float32, which is too coarse where almost no picture is left.

    Compare it with ours, then put float64 in its place, so that the steps are compared and not
    the rounding of the table.
    """
    exact = (1 - compute_betas(schedule)).cumprod(0)
    torch.testing.assert_close(scheduler.alphas_cumprod.double(), exact, atol=1e-6, rtol=0)
    scheduler.alphas_cumprod = exact
    return scheduler


@torch.no_grad()
def outputs(model: Diffusion, x: Tensor, t: int) -> Tensor:
    return model.network(x.float(), torch.full((len(x),), t)).double()


def assert_same_states(ours: list[Tensor], theirs: list[Tensor]) -> None:
    assert len(ours) == len(theirs)
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0, msg=lambda m, s=step: f"step {s}: {m}")


@each("clip", [True, False])
@each("variance", VARIANCES)
def test_ddpm(
    prediction: str, schedule: str, variance: Any, clip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rng = build_model(prediction, schedule), Rng(SEEDS)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: rng.normal(*SHAPE))
    kind = VARIANCES[variance]
    scheduler = DDPMScheduler(
        **scheduler_settings(schedule, prediction), variance_type=kind, clip_sample=clip
    )
    scheduler = widen_table(scheduler, schedule)
    scheduler.set_timesteps(T)

    def walk() -> Iterator[Tensor]:
        yield (x := rng.normal(*SHAPE))
        for t in scheduler.timesteps.tolist():
            yield (x := scheduler.step(outputs(model, x, t), t, x).prev_sample)

    ours = [state.x for state in model.stream(Rng(SEEDS), sampler=DDPM(variance, clip))]
    assert_same_states(ours, list(walk()))


@each("clip", [True, False])
def test_ddpm_with_learned_variance(
    prediction: Any, schedule: str, clip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(prediction, schedule, compute_two_waves, objective=Hybrid())
    rng = Rng(SEEDS)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: rng.normal(*SHAPE))
    scheduler = DDPMScheduler(
        **scheduler_settings(schedule, prediction), variance_type="learned_range", clip_sample=clip
    )
    scheduler = widen_table(scheduler, schedule)
    scheduler.set_timesteps(T)
    spread: list[float] = []

    def walk() -> Iterator[Tensor]:
        yield (x := rng.normal(*SHAPE))
        for t in scheduler.timesteps.tolist():
            output = outputs(model, x, t)
            v = output[:, SHAPE[0] :]
            if t > 0:  # where theirs is the log of almost 0, and goes unused
                theirs = scheduler._get_variance(t, predicted_variance=v)
                at_t = torch.full((len(v),), t)
                ours = compute_log_variance("learned", v, at_t, model.alpha_bars)
                torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
                spread.append(float(v.std()))
            yield (x := scheduler.step(output, t, x).prev_sample)

    ours = [state.x for state in model.stream(Rng(SEEDS), sampler=DDPM("learned", clip))]
    assert_same_states(ours, list(walk()))
    assert min(spread) > 0.01


@each("clip", [True, False])
@each("eta", [0.0, 0.5, 1.0])
def test_ddim(prediction: str, schedule: str, eta: float, clip: bool) -> None:
    model, rng = build_model(prediction, schedule), Rng(SEEDS)
    spacing: Any = (
        "trailing"  # the article's: the last level first, the picture after the last step
    )
    scheduler = DDIMScheduler(
        **scheduler_settings(schedule, prediction), clip_sample=clip, timestep_spacing=spacing
    )
    scheduler = widen_table(scheduler, schedule)
    scheduler.set_timesteps(STEPS)

    def walk() -> Iterator[Tensor]:
        yield (x := rng.normal(*SHAPE))
        for t in scheduler.timesteps.tolist():
            noise = rng.normal(*SHAPE) if eta else None
            eps = outputs(model, x, t)
            step = scheduler.step(
                eps, t, x, eta, use_clipped_model_output=clip, variance_noise=noise
            )
            yield (x := step.prev_sample)

    sampler = DDIM(steps=STEPS, eta=eta, clip=clip)
    assert sampler.choose_timesteps(T) == scheduler.timesteps.tolist()
    ours = [state.x for state in model.stream(Rng(SEEDS), sampler=sampler)]
    assert_same_states(ours, list(walk()))
