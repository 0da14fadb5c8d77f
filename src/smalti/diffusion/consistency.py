"""Consistency tuning of diffusion models, and the sampler of consistency models.

Letters of ECT (arXiv:2406.14548): sigma is the noise-to-signal ratio of a level, r the less noisy
level of a pair, f(x, t) the predicted x0. With a variance-preserving process and any prediction,
f(x0, no noise) = x0 holds by construction.
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
from smalti.diffusion.process import Prediction, add_noise, compute_eps, compute_x0
from smalti.diffusion.samplers import Denoise, DiffusionState, DrawNoise

PredictOutput = Callable[
    [Tensor, Tensor, Tensor | None], Tensor
]  # (x, t, y) -> the network's output
PredictPicture = Callable[[Tensor, Tensor], Tensor]  # (x, t) -> the teacher's x0

FIRST_LEVEL = 0.992
"""First level, as a share of T: sigma is 80 there on a cosine schedule, almost pure noise."""
MIN_VARIANCE = 1e-2
"""Least variance of a batch in the weight of its loss: a single picture may be of one color."""
LATER_LEVELS = {1: (), 2: (0.43,), 3: (0.7, 0.3), 4: (0.7, 0.43, 0.19)}
"""Later levels, as shares of T; on a cosine schedule sigma is 2, 0.8, 0.5, 0.3 there."""


@dataclass(frozen=True)
@check_fields
class Consistency:
    """Multistep consistency sampling, algorithm 1 of arXiv:2303.01469.

    Predicts x0, adds less noise, and predicts again.
    """

    steps: Annotated[int, Range(1, 4)] = 2
    """Network evaluations, 1 to 4."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. Guidance used in tuning remains."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""

    def choose_timesteps(self, T: int) -> list[int]:
        """Choose the visited levels, decreasing, each in 0 .. T-1."""
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
    """Consistency tuning of a diffusion model (ECT, arXiv:2406.14548).

    The predictions at pairs of levels are made equal; in stages, the pairs get closer. Training
    starts from the weights of a diffusion model (--start), which may be the teacher, too: then a
    DDIM step of it leads to the lower level (consistency distillation, arXiv:2303.01469).
    """

    steps: TrainingSteps | None = None
    """Optimizer steps that the stages cover. Default: all of the run."""
    stages: Annotated[int, Range(1, 16)] = 4
    """Number of stages. In stage k, a pair's lower level is
    sigma max(0, 1 - (1 + 8 sigmoid(-sigma)) / q^(k+1))."""
    q: Annotated[float, Range(1, 1e4, excludes_low=True)] = 4.0
    """Factor by which the gap shrinks at each stage."""
    log_sigma_mean: Annotated[float, Range(-20, 20)] = -0.9
    """Mean of log sigma over a batch."""
    log_sigma_std: Annotated[float, Range(0, 20, excludes_low=True)] = 2.0
    """Standard deviation of log sigma."""
    c: Positive = 0.03
    """Pseudo-Huber constant. Distances below c count quadratically."""
    teacher_guidance: Guidance | None = None
    """Guidance scale of the teacher. None: no teacher; the lower level has the same noise."""

    learns_variance = False

    def loss(
        self,
        predict: PredictOutput,
        x0: Tensor,
        y: Tensor | None,
        prediction: Prediction,
        alpha_bars: Tensor,
        step: int,
        predict_picture: PredictPicture | None = None,
    ) -> Loss:
        """Loss of pictures x0 (B, C, H, W) in [-1, 1]; randomness is torch's default generator.

        Both levels of a pair have the same noise, or with `predict_picture` a DDIM step between
        them. The target is the prediction at the lower level, or x0 if that level has no noise.
        """
        sigmas = (1 / alpha_bars - 1).sqrt()  # (T,), increasing
        t, r = self.draw_pairs(len(x0), sigmas, step)
        below = r.clamp(min=0)
        a_t, a_r = (extract(alpha_bars, level).to(x0.dtype) for level in (t, below))
        eps = torch.randn_like(x0)
        x_t = add_noise(x0, eps, a_t)

        def predict_x0(x: Tensor, level: Tensor, a: Tensor) -> Tensor:
            return compute_x0(prediction, predict(x, level, y).to(x0.dtype), x, a)

        with torch.no_grad():
            if predict_picture is None:
                x_r = add_noise(x0, eps, a_r)
            else:
                guided = predict_picture(x_t, t).to(x0.dtype)
                x_r = add_noise(guided, compute_eps(guided, x_t, a_t), a_r)
            predicted = predict_x0(x_r, below, a_r)
            target = torch.where((r < 0)[:, None, None, None], x0, predicted)
        distance = (predict_x0(x_t, t, a_t) - target).flatten(1).norm(dim=1)  # (B,)
        huber = (distance.square() + self.c**2).sqrt() - self.c
        # the root of EDM's weight of squared errors, since this loss grows with the error itself
        weight = (1 / sigmas[t].square() + 1 / x0.var().clamp(min=MIN_VARIANCE)).sqrt()
        total = (weight.to(huber.dtype) * huber).mean()
        return Loss(total, {"loss": total.detach(), "distance": distance.mean().detach()})

    def draw_pairs(self, B: int, sigmas: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Draw levels t and r of each picture, (B,) each; r is below t, and -1 for no noise.

        log sigma is normally distributed, stratified over the batch.
        """
        u = (torch.arange(B, device=sigmas.device) + torch.rand(B, device=sigmas.device)) / B
        z = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6))
        target = (self.log_sigma_mean + self.log_sigma_std * z).exp()
        t = torch.searchsorted(sigmas, target).clamp(max=len(sigmas) - 1)
        sigma = sigmas[t]
        k = self.stages - 1  # after training
        if self.steps is not None:
            k = min(self.stages * step // self.steps, k)
        lower = sigma * (1 - (1 + 8 * torch.sigmoid(-sigma)) / self.q ** (k + 1)).clamp(min=0)
        r = torch.searchsorted(sigmas, lower, right=True) - 1
        return t, torch.minimum(r, t - 1)
