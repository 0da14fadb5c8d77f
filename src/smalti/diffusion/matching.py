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
from smalti.diffusion.consistency import ConsistencyTuning, PredictPicture
from smalti.diffusion.likelihood import extract
from smalti.diffusion.process import Prediction, add_noise, compute_x0

PredictRows = Callable[[Tensor, Tensor, slice], Tensor]
"""(x, t, rows) -> the network's output or x0, for these rows of the batch's conditions."""
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

    def list_phases(self) -> list[int]:
        """Steps at which the learning rate's schedule restarts: the first one of matching."""
        return [round(self.tuning_share * self.total_steps)] if self.total_steps else []

    def is_tuning(self, step: int) -> bool:
        """Whether the student is tuned for consistency at a step."""
        return any(step < begin for begin in self.list_phases())

    def loss(
        self,
        predict: PredictRows,
        x0: Tensor,
        prediction: Prediction,
        alpha_bars: Tensor,
        levels: Sequence[int],
        mu_real: PredictPicture,
        mu_fake: PredictPicture,
        clip: Callable[[Tensor], Tensor],
    ) -> tuple[Loss, Tensor]:
        """Loss, and the student's samples (B, C, H, W), of the shape of x0.

        Randomness is torch's default generator. clip: what the sampler does to a predicted x0. The
        auxiliary models must know clipped samples, or the student hides errors beyond the range of
        pictures.

        The samples are drawn at each of the sampler's `levels` for an equal part of the batch.
        Their gradient is mu_fake - mu_real (algorithm 2 of arXiv:2406.04103). DMD divides it by the
        samples' distance to mu_real, which at low noise enlarges the auxiliary models' errors:
        worse here. The loss reported is the mean absolute difference.
        """
        B = len(x0)

        def predict_x0(x: Tensor, s: Tensor, rows: slice) -> Tensor:
            a_s = extract(alpha_bars, s).to(x.dtype)
            return compute_x0(prediction, predict(x, s, rows).to(x.dtype), x, a_s)

        x_s, s = draw_starts(torch.randn_like(x0), predict_x0, alpha_bars, levels, clip)
        x = predict_x0(x_s, s, slice(B))
        with torch.no_grad():
            drawn = clip(x)
            t = (s * (MIN_LEVEL + (1 - MIN_LEVEL) * torch.rand(B, device=s.device))).long()
            x_t = add_new_noise(drawn, t, alpha_bars)
            difference = mu_fake(x_t, t).to(x.dtype) - mu_real(x_t, t).to(x.dtype)
        moved = (x * difference).flatten(1).sum(1).mean()
        gap = difference.abs().mean()
        return Loss(gap + moved - moved.detach(), {"loss": gap}), drawn


@torch.no_grad()
def draw_starts(
    noise: Tensor,
    predict_x0: PredictRows,
    alpha_bars: Tensor,
    levels: Sequence[int],
    clip: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Noisy pictures (B, C, H, W) that the sampler meets at its levels, an equal part of the batch
    for each, and these levels (B,).

    At the first level they are noise, later the student's own samples of the level before with
    noise, not training pictures: it must mend its own faults (section 4.4 of arXiv:2405.14867).
    """
    B, x = len(noise), noise.clone()
    s = torch.full((B,), levels[0], device=x.device)
    for level, part in zip(levels[1:], split_rows(B, len(levels))[1:], strict=True):
        rest = slice(part.start, B)
        drawn = clip(predict_x0(x[rest], s[rest], rest))
        s[rest] = level
        x[rest] = add_new_noise(drawn, s[rest], alpha_bars)
    return x, s


def add_new_noise(x0: Tensor, t: Tensor, alpha_bars: Tensor) -> Tensor:
    return add_noise(x0, torch.randn_like(x0), extract(alpha_bars, t).to(x0.dtype))


def split_rows(B: int, parts: int) -> list[slice]:
    """Split a batch of B into parts, one for each level."""
    ends = [B * k // parts for k in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]
