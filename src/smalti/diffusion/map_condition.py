"""A picture as a condition of a diffusion model, for super-resolution among others.

It is resized to the noisy picture and concatenated to it (SR3, arXiv:2104.07636, section 2). Noise
in it, in training, makes a cascade robust to the faults of the model before (conditioning
augmentation, arXiv:2106.15282, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.conditions import ConditionValues
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Condition
from smalti.core.ranges import Fraction, PictureShape
from smalti.core.rng import Rng
from smalti.core.tensors import to_float_pictures
from smalti.layers.condition_pictures import find_edges, to_channels

NAME = "picture"
"""Name of the condition."""


@dataclass(frozen=True)
@check_fields
class MapCondition:
    """A picture as a condition, beside the noisy picture."""

    source: Literal["low-resolution", "edges", "given"] = "low-resolution"
    """Where it comes from in training. The picture itself in low resolution, its edges, or
    conditions of the data."""
    shape: PictureShape = (1, 14, 14)
    """Channels, height and width of the condition. Larger pictures are averaged to this size."""
    noise: Fraction = 0.0
    """Largest standard deviation of noise in the condition in training. With 0 there is none."""
    sampling_noise: Fraction = 0.0
    """Standard deviation of noise in the condition in sampling."""

    def __post_init__(self) -> None:
        if self.source == "edges" and self.shape[0] != 1:
            raise UserError(f"shape is {self.shape}, but edges have 1 channel; give 1")
        if self.sampling_noise > self.noise:
            raise UserError(
                f"sampling_noise is {self.sampling_noise}, but training has {self.noise} at most; "
                "give less, or more noise"
            )

    @property
    def channels(self) -> int:
        """Channels beside the noisy picture: the condition's, and in low resolution one for its
        noise level.
        """
        return self.shape[0] + (self.source == "low-resolution")

    def describe(self) -> Condition:
        """Describe the condition for the model's spec. It is always there."""
        return Condition(NAME, "map", is_picture=True, is_derived=self.source != "given")

    def find(self, batch: Batch) -> Tensor:
        """The condition pictures of a training batch. UserError if they are missing."""
        found = batch.conditions.get(NAME)
        if isinstance(found, Tensor):
            return found
        if self.source == "given":
            raise UserError(
                "the data have no condition pictures; give their folder (--picture-data)"
            )
        return batch.require_pictures()

    def prepare(self, pictures: Tensor, scale: tuple[float, float]) -> Tensor:
        """Pictures (n, c, H, W) in [0, 1] -> conditions (n, C, h, w) in [-1, 1].

        scale: height and width of the model's pictures over those in training.
        """
        x = to_float_pictures(pictures, NAME).float()
        if self.source == "edges":
            x = find_edges(to_channels(x, 1, NAME))
        x = to_channels(x, self.shape[0], NAME)
        target = [max(1, round(s * k)) for s, k in zip(self.shape[1:], scale, strict=True)]
        h, w = (min(a, b) for a, b in zip(target, x.shape[2:], strict=True))
        return F.interpolate(x, size=(h, w), mode="area") * 2 - 1

    def to_map(self, condition: Tensor, level: Tensor, eps: Tensor, size: list[int]) -> Tensor:
        """Add noise of a level (n,) to a condition, and resize it: (n, channels, *size).

        The level is a map of its own. (The paper embeds it beside the process's level.)
        """
        s = level.to(condition)[:, None, None, None]
        noisy = (1 - s**2).sqrt() * condition + s * eps
        resized = F.interpolate(noisy, size=size, mode="bilinear")  # (n, C, H, W)
        if self.source != "low-resolution":
            return resized
        return torch.cat([resized, s.expand(-1, 1, *size)], dim=1)

    def encode_training(self, batch: Batch, x: Tensor) -> Tensor:
        """The map of a training batch for x (B, D, h, w), by torch's default generator."""
        condition = self.prepare(self.find(batch), (1.0, 1.0)).to(x)
        level = self.noise * torch.rand(len(x), device=x.device)
        eps = torch.randn_like(condition) if self.noise else torch.zeros_like(condition)
        return self.to_map(condition, level, eps, [*x.shape[2:]])

    def encode_sampling(
        self, values: ConditionValues, x: Tensor, scale: tuple[float, float], rng: Rng
    ) -> Tensor:
        """The map of n samples for x (n, D, h, w). UserError without condition pictures."""
        if NAME not in values:
            raise UserError(
                f"this model was not trained without {NAME}; give one for each of {len(x)} pictures"
            )
        condition = self.prepare(values[NAME], scale).to(x.device)  # pyright: ignore
        level = torch.full((len(x),), self.sampling_noise, device=x.device)
        eps = torch.zeros_like(condition)
        if self.sampling_noise:
            eps = rng.normal(*condition.shape[1:]).to(condition)
        return self.to_map(condition, level, eps, [*x.shape[2:]])
