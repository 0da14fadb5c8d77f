"""Distribution matching: a student whose samples, drawn in a few steps, have the distribution of
its teacher's.

After DMD (arXiv:2311.18828), DMD2 (arXiv:2405.14867) for several steps and for no regression on
pairs of noise and picture, and moment matching (arXiv:2406.04103). mu_real and mu_fake are DMD's
predictions of x0 for a noisy sample: the teacher's, and those of auxiliary models that are trained
on the student's samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.protocols import Loss
from smalti.core.ranges import Fraction, Guidance, Range, TrainingSteps
from smalti.diffusion.consistency import ConsistencyTuning, PredictOutput, PredictPicture
from smalti.diffusion.likelihood import extract
from smalti.diffusion.process import Prediction, add_noise, compute_x0

TUNING = ConsistencyTuning(stages=1, log_sigma_mean=-0.4, log_sigma_std=1.9)
"""One stage, and more noise than in ECT: docs/numbers.md, "Consistency tuning"."""
MIN_LEVEL = 0.02
"""Least level at which predictions are compared, as a share of the student's level."""


@dataclass(frozen=True)
@check_fields
class DistributionMatching:
    """Distribution matching distillation of a diffusion model (DMD2, arXiv:2405.14867).

    The student draws samples at the levels of its sampler, which is consistency sampling. Where
    an auxiliary model, trained on these samples, predicts another picture than the teacher, they
    move towards the teacher's. Each level has an auxiliary model of its own: with one for all, as
    in the paper, samples of one level may lack what those of another have too much. Training starts
    from the teacher (--start), and so do the auxiliary models. Consistency tuning comes first.
    """

    teacher_guidance: Guidance = 1.0
    """Guidance scale of the teacher."""
    tuning_share: Fraction = 0.4
    """Share of the steps for consistency tuning. It comes first: far from any picture, a student
    is not told how to get to one."""
    total_steps: TrainingSteps | None = None
    """Optimizer steps that it is a share of. Default: all of the run."""
    auxiliary_lr_scale: Annotated[float, Range(0, 1000, excludes_low=True)] = 2.0
    """Learning rate factor of auxiliary models. The student's is 1."""

    learns_variance = False

    def is_tuning(self, step: int) -> bool:
        """Whether the student is tuned for consistency at a step."""
        return self.total_steps is not None and step < self.tuning_share * self.total_steps

    def loss(
        self,
        predict: PredictOutput,
        x0: Tensor,
        y: Tensor | None,
        prediction: Prediction,
        alpha_bars: Tensor,
        levels: Sequence[int],
        mu_real: PredictPicture,
        mu_fake: PredictPicture,
        clip: Callable[[Tensor], Tensor],
    ) -> tuple[Loss, Tensor]:
        """Loss, and the student's samples (B, C, H, W).

        Randomness is torch's default generator. clip: what the sampler does to a predicted x0. The
        auxiliary models must know clipped samples, or the student hides errors beyond the range of
        pictures.

        The samples are drawn at each of the sampler's `levels` for an equal part of the batch: from
        noise at the first one, else from the pictures x0 (B, C, H, W) with noise. Their gradient is
        mu_fake - mu_real (algorithm 2 of arXiv:2406.04103). DMD divides it by the samples' distance
        to mu_real, which at low noise enlarges the auxiliary models' errors: worse here. The loss
        reported is the mean absolute difference.
        """
        B = len(x0)
        s = torch.zeros(B, dtype=torch.int64, device=x0.device)
        for level, rows in zip(levels, split_rows(B, len(levels)), strict=True):
            s[rows] = level
        x_s = self.add_noise(x0, s, alpha_bars)
        x_s = torch.where((s == levels[0])[:, None, None, None], torch.randn_like(x0), x_s)
        a_s = extract(alpha_bars, s).to(x0.dtype)
        x = compute_x0(prediction, predict(x_s, s, y).to(x0.dtype), x_s, a_s)
        with torch.no_grad():
            drawn = clip(x)
            t = (s * (MIN_LEVEL + (1 - MIN_LEVEL) * torch.rand(B, device=s.device))).long()
            x_t = self.add_noise(drawn, t, alpha_bars)
            difference = mu_fake(x_t, t).to(x.dtype) - mu_real(x_t, t).to(x.dtype)
        moved = (x * difference).flatten(1).sum(1).mean()
        gap = difference.abs().mean()
        return Loss(gap + moved - moved.detach(), {"loss": gap}), drawn

    @staticmethod
    def add_noise(x0: Tensor, t: Tensor, alpha_bars: Tensor) -> Tensor:
        return add_noise(x0, torch.randn_like(x0), extract(alpha_bars, t).to(x0.dtype))


def split_rows(B: int, parts: int) -> list[slice]:
    """Split a batch of B into parts, one for each level."""
    ends = [B * k // parts for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]
