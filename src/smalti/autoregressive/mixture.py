"""Logistic mixtures as an output: from parameters to distributions over levels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.autoregressive.logistic import (
    log_cells,
    log_joint,
    mixture,
    moved_means,
    subpixel_nats,
    width,
)
from smalti.core.config import checked
from smalti.core.errors import UserError
from smalti.core.ranges import Depth
from smalti.layers.choosing import draw_index


def places(levels: Tensor, count: int) -> Tensor:
    """Whole numbers 0 .. count-1 as numbers in [-1, 1]."""
    return 2 * levels / (count - 1) - 1


@dataclass(frozen=True)
class Cells:
    """A mixture of K logistics for one number of each of n pictures."""

    weights: Tensor
    """(n, K) float64 log-probabilities of the components."""
    means: Tensor
    """(n, K) float64 in about [-1, 1]."""
    log_scales: Tensor
    """(n, K) float64."""
    levels: int
    """Number of levels."""

    @property
    def logits(self) -> Tensor:
        """(n, L) float64 log-probabilities of every level."""
        x = places(torch.arange(self.levels, device=self.means.device).double(), self.levels)
        cells = log_cells(
            x[:, None], self.means[:, None], self.log_scales[:, None], self.levels
        )  # (n, L, K)
        return torch.logsumexp(self.weights[:, None] + cells, dim=2)

    def draw(self, u: Tensor, temperature: float = 1.0) -> Tensor:
        """A component by u[:, 0], its logistic by u[:, 1], then the nearest level: (n,) int64.

        The temperature divides the components' log-probabilities and multiplies the scales.
        """
        u = u.to(self.means)
        k = draw_index(self.weights, u[:, 0], temperature)[:, None]
        mean, scale = self.means.gather(1, k), self.log_scales.gather(1, k).exp()
        x = mean + temperature * scale * torch.logit(u[:, 1:2]) if temperature else mean
        level = ((x + 1) / 2 * (self.levels - 1) + 0.5).floor()
        return level.clamp(0, self.levels - 1).long()[:, 0]


@dataclass(frozen=True)
@checked
class LogisticMixture:
    """A mixture of logistics over the levels, for grey or RGB (PixelCNN++)."""

    components: Depth = 5
    """Logistics of a pixel."""

    joint = True

    def numbers(self, channels: int, levels: int) -> int:
        """Parameters of a pixel. UserError for pictures of other than 1 or 3 channels."""
        try:
            return width(channels, self.components)
        except ValueError as error:
            raise UserError(str(error)) from error

    def nats(self, parameters: Tensor, x: Tensor, levels: int) -> Tensor:
        """-log p of every number. parameters: (N, P, H, W), x: (N, C, H, W) levels."""
        return subpixel_nats(parameters, places(x.to(parameters.dtype), levels), levels)

    def at(self, parameters: Tensor, earlier: Tensor, c: int, levels: int) -> Cells:
        """Channel c given the pixel's `earlier` levels (n, c). parameters: (n, P).

        One component is of all channels of a pixel: the earlier ones tell which it may be.
        """
        channels = 1 if parameters.shape[1] == width(1, self.components) else 3
        mix = mixture(parameters.double(), channels, levels)
        seen = places(earlier.to(parameters.device).double(), levels)
        weights, means = mix.log_weights, moved_means(mix, seen)
        if c > 0:
            weights = torch.log_softmax(log_joint(mix, seen, levels)[:, -1], dim=1)
        return Cells(weights, means[:, c], mix.log_scales[:, c], levels)
