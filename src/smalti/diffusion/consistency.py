"""Consistency models: a diffusion model tuned to see the picture at once, and how to draw from it.

Letters of ECT (arXiv:2406.14548): sigma is the noise of a level over what is left of the picture,
r the less noisy level of a pair, f(x, t) the picture that the network sees. With a variance-
preserving process and any prediction f(x0, no noise) = x0 holds as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.protocols import Loss
from smalti.core.ranges import Guidance, Positive, Range, TrainingSteps
from smalti.diffusion.likelihood import extract
from smalti.diffusion.process import Prediction, add_noise, compute_x0
from smalti.diffusion.samplers import Denoise, DiffusionState, DrawNoise

PredictOutput = Callable[
    [Tensor, Tensor, Tensor | None], Tensor
]  # (x, t, y) -> the network's output

FIRST_LEVEL = 0.992
"""Where on the levels a walk begins: sigma is 80 there on a cosine, nothing of the picture left."""
LATER_LEVELS = {1: (), 2: (0.43,), 3: (0.7, 0.3), 4: (0.7, 0.43, 0.19)}
"""Levels visited after it, as shares of all; on a cosine sigma is 2, 0.8, 0.5, 0.3 there."""


@dataclass(frozen=True)
@check_fields
class Consistency:
    """Sees the picture, adds less noise, sees again: algorithm 1 of arXiv:2303.01469."""

    steps: Annotated[int, Range(1, 4)] = 2
    """Evaluations of the network, 1 to 4."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, and what was folded in when it was tuned stays."""

    def choose_timesteps(self, T: int) -> list[int]:
        """Visited levels, falling, each in 0 .. T-1."""
        return [min(round(share * T), T - 1) for share in (FIRST_LEVEL, *LATER_LEVELS[self.steps])]

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
    ) -> Iterator[DiffusionState]:
        yield DiffusionState(x, x, timesteps[0], 0, len(timesteps))
        for step, (t, s) in enumerate(zip(timesteps, [*timesteps[1:], -1], strict=True), start=1):
            x0 = denoise(x, t)
            x = x0 if s < 0 else add_noise(x0, draw_noise(), alpha_bars[s])
            yield DiffusionState(x, x0, s, step, len(timesteps))


@dataclass(frozen=True)
@check_fields
class ConsistencyTuning:
    """Consistency of pairs of levels that move together, in stages: ECT (arXiv:2406.14548).

    Trains from the weights of a diffusion model (--start).
    """

    steps: TrainingSteps = 4000
    """Optimizer steps over which the stages are spread; the run's own number."""
    stages: Annotated[int, Range(1, 16)] = 4
    """In stage k a pair's lower level is sigma max(0, 1 - (1 + 8 sigmoid(-sigma)) / q^(k+1))."""
    q: Annotated[float, Range(1, 1e4, excludes_low=True)] = 4.0
    """By how much the levels of a pair come nearer from stage to stage."""
    log_sigma_mean: Annotated[float, Range(-20, 20)] = -0.9
    """Mean of log sigma over a batch."""
    log_sigma_std: Annotated[float, Range(0, 20, excludes_low=True)] = 2.0
    """Standard deviation of log sigma."""
    c: Positive = 0.03
    """Distances below c count by their squares (pseudo-Huber)."""

    learns_variance = False

    def loss(
        self,
        predict: PredictOutput,
        x0: Tensor,
        y: Tensor | None,
        prediction: Prediction,
        alpha_bars: Tensor,
        step: int,
    ) -> Loss:
        """Of pictures x0 (B, C, H, W) in [-1, 1], by torch's own generator.

        The same noise stands at both levels of a pair; the lower one's picture is the target, and
        at no noise x0 itself.
        """
        sigmas = (1 / alpha_bars - 1).sqrt()  # (T,), rising
        t, r = self.draw_pairs(len(x0), sigmas, step)
        eps = torch.randn_like(x0)

        def predict_x0(level: Tensor) -> Tensor:
            a = extract(alpha_bars, level).to(x0.dtype)
            x = add_noise(x0, eps, a)
            return compute_x0(prediction, predict(x, level, y).to(x0.dtype), x, a)

        with torch.no_grad():
            target = torch.where((r < 0)[:, None, None, None], x0, predict_x0(r.clamp(min=0)))
        distance = (predict_x0(t) - target).flatten(1).norm(dim=1)  # (B,)
        huber = (distance.square() + self.c**2).sqrt() - self.c
        weight = 1 / sigmas[t].square() + 1 / x0.var()
        total = (weight.to(huber.dtype) * huber).mean()
        return Loss(total, {"loss": total.detach(), "distance": distance.mean().detach()})

    def draw_pairs(self, B: int, sigmas: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Levels t and r of each picture, (B,) each, r below t and -1 for no noise at all.

        log sigma is normal, and stratified over the batch.
        """
        u = (torch.arange(B, device=sigmas.device) + torch.rand(B, device=sigmas.device)) / B
        z = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6))
        target = (self.log_sigma_mean + self.log_sigma_std * z).exp()
        t = torch.searchsorted(sigmas, target).clamp(max=len(sigmas) - 1)
        sigma = sigmas[t]
        k = min(self.stages * step // self.steps, self.stages - 1)
        lower = sigma * (1 - (1 + 8 * torch.sigmoid(-sigma)) / self.q ** (k + 1)).clamp(min=0)
        r = torch.searchsorted(sigmas, lower, right=True) - 1
        return t, torch.minimum(r, t - 1)
