"""RePaint (arXiv:2201.09865): inpainting by an unconditional diffusion model."""

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
    """Known pictures and a mask of what to fill, both (n, C, H, W), or latents (n, D, h, w)."""

    known: Tensor
    """float64 in the process's range. Values inside the hole are ignored."""
    mask: Tensor
    """Boolean, true where to fill. (The paper's m is true where the picture is known.)"""


@dataclass(frozen=True)
@check_fields
class RePaint:
    """Inpainting by algorithm 1 of arXiv:2201.09865, with jumps.

    The known part is inserted at every level. Jumps back to noisier levels and resampling make
    both parts consistent.
    """

    fills_holes: ClassVar[bool] = True

    steps: SamplingSteps = 50
    """Number of noise levels. Ignored if `spacing` lists them."""
    jump_length: SamplingSteps = 5
    """Jump length: levels to go back in a jump."""
    jump_n_sample: Depth = 5
    """Passes over each part; 1 disables jumps."""
    spacing: Spacing = "uniform"
    """Spacing of the noise levels. Quadratic is denser near the picture; a list is
    decreasing."""
    clip: bool = True
    """Clip the predicted x0 to the range of pictures."""
    guidance: Guidance = 1.0
    """Classifier-free guidance scale; 1 disables it. More follows the condition more closely, with
    less diversity."""

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
        """Yield the states, one for each step down or up."""
        if hole is None:
            raise UserError("RePaint fills holes; give a hole")
        path = [
            timesteps[i] if i < len(timesteps) else -1 for i in self.schedule_jumps(len(timesteps))
        ]
        yield DiffusionState(x, x, path[0], 0, len(path) - 1)
        x0 = x
        for step, (t, s) in enumerate(pairwise(path), start=1):
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
            yield DiffusionState(x, x0, s, step, len(path) - 1)

    def schedule_jumps(self, n: int) -> list[int]:
        """Indices of the visited levels, from 0, the first of n levels, to n, the clean picture.

        At every `jump_length`-th level, counted from the last, it goes `jump_length` levels back,
        `jump_n_sample` - 1 times (appendix B of the paper).
        """
        jumps = dict.fromkeys(
            range(n - 1, self.jump_length - 1, -self.jump_length), self.jump_n_sample - 1
        )
        index, path = 0, [0]
        while index < n:
            index += 1
            path.append(index)
            if jumps.get(index):
                jumps[index] -= 1
                for _ in range(self.jump_length):
                    index -= 1
                    path.append(index)
        return path
