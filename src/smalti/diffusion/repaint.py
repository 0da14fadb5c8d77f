"""RePaint (arXiv:2201.09865): filling holes by a model that was never trained for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Depth, Guidance, SamplingSteps
from smalti.diffusion.process import add_noise, ddpm_step, posterior_variance
from smalti.diffusion.samplers import Denoise, DiffusionState, DrawNoise
from smalti.diffusion.timesteps import Spacing, look_up_alpha_bar, space_timesteps


@dataclass(frozen=True, eq=False)
class Hole:
    """What is known of pictures, and where it is not; both (n, C, H, W)."""

    known: Tensor
    """float64 in [-1, 1]; what it says inside the hole does not matter."""
    mask: Tensor
    """Boolean, true where to fill in. (The paper's m is true where the picture is known.)"""


@dataclass(frozen=True)
@check_fields
class RePaint:
    """Fills a hole by algorithm 1 of arXiv:2201.09865, with jumps.

    What is known is put in at every level, and the walk goes back up again and again, so that the
    two parts come to agree.
    """

    fills_holes: ClassVar[bool] = True

    steps: SamplingSteps = 50
    """Number of noise levels, for the uniform and quadratic spacing."""
    jump_length: SamplingSteps = 5
    """How many levels a walk goes back up."""
    jump_n_sample: Depth = 5
    """How often each part of the way is walked; 1 never goes back up."""
    spacing: Spacing = "uniform"
    """Which levels are visited: evenly, denser near the picture, or these (falling)."""
    clip: bool = True
    """Keep the predicted picture in the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance; 1 is none, more is truer to class and less diverse."""

    def choose_timesteps(self, T: int) -> list[int]:
        return space_timesteps(self.spacing, self.steps, T)

    def stream(
        self,
        denoise: Denoise,
        x: Tensor,
        alpha_bars: Tensor,
        draw_noise: DrawNoise,
        timesteps: list[int],
        *,
        hole: Hole | None = None,
    ) -> Iterator[DiffusionState]:
        """As the other samplers' walks, with one state for each move down or up."""
        if hole is None:
            raise UserError("RePaint fills holes; give it one")
        walk = [
            timesteps[place] if place < len(timesteps) else -1
            for place in self.schedule_jumps(len(timesteps))
        ]
        yield DiffusionState(x, x, walk[0], 0, len(walk) - 1)
        x0 = x
        for step, (t, s) in enumerate(pairwise(walk), start=1):
            a_t, a_s = look_up_alpha_bar(alpha_bars, t), look_up_alpha_bar(alpha_bars, s)
            if s < t:
                x0 = denoise(x, t)
                known = add_noise(hole.known, draw_noise(), a_s)  # line 4
                noise = draw_noise() if s >= 0 else torch.zeros_like(x)
                variance = posterior_variance(a_t, a_s)
                unknown = ddpm_step(x, x0, a_t, a_s, variance=variance, noise=noise)  # line 7
                x = torch.where(hole.mask, unknown, known)  # line 8
            else:
                x = add_noise(x, draw_noise(), a_s / a_t)  # line 10
            yield DiffusionState(x, x0, s, step, len(walk) - 1)

    def schedule_jumps(self, n: int) -> list[int]:
        """Where the walk stands after each move, from 0, the first of n levels, to n, clean.

        At every `jump`-th level, counted from the last, it goes `jump` levels back up, `resample`
        - 1 times (the paper's appendix B).
        """
        again = dict.fromkeys(
            range(n - 1, self.jump_length - 1, -self.jump_length), self.jump_n_sample - 1
        )
        place, walk = 0, [0]
        while place < n:
            place += 1
            walk.append(place)
            if again.get(place):
                again[place] -= 1
                for _ in range(self.jump_length):
                    place -= 1
                    walk.append(place)
        return walk
