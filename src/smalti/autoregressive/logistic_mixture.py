"""Logistic mixtures as an output: from parameters to distributions over levels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.autoregressive.logistic import (
    compute_joint_log_probs,
    compute_log_probs,
    compute_subpixel_nats,
    condition_means,
    count_parameters,
    unpack_mixture,
)
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import Depth
from smalti.layers.symbol_sampling import draw_index


def normalize_levels(levels: Tensor, count: int) -> Tensor:
    """Whole numbers 0 .. count-1 as numbers in [-1, 1]."""
    return 2 * levels / (count - 1) - 1


@dataclass(frozen=True)
class MixtureDistribution:
    """A mixture of K logistics for one number of each of n pictures."""

    log_weights: Tensor
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
        x = normalize_levels(
            torch.arange(self.levels, device=self.means.device).double(), self.levels
        )
        cells = compute_log_probs(
            x[:, None], self.means[:, None], self.log_scales[:, None], self.levels
        )  # (n, L, K)
        return torch.logsumexp(self.log_weights[:, None] + cells, dim=2)

    def sample(self, u: Tensor, temperature: float = 1.0) -> Tensor:
        """A component by u[:, 0], its logistic by u[:, 1], then the nearest level: (n,) int64.

        The temperature divides the components' log-probabilities and multiplies the scales.
        """
        u = u.to(self.means)
        k = draw_index(self.log_weights, u[:, 0], temperature)[:, None]
        mean, scale = self.means.gather(1, k), self.log_scales.gather(1, k).exp()
        x = mean + temperature * scale * torch.logit(u[:, 1:2]) if temperature else mean
        level = ((x + 1) / 2 * (self.levels - 1) + 0.5).floor()
        return level.clamp(0, self.levels - 1).long()[:, 0]


@dataclass(frozen=True)
@check_fields
class LogisticMixture:
    """A mixture of logistics over the levels, for gray or RGB (PixelCNN++)."""

    components: Depth = 5
    """Logistics of a pixel."""

    joint = True

    def count_parameters(self, channels: int, levels: int) -> int:
        """Parameters of a pixel. UserError for pictures of other than 1 or 3 channels."""
        try:
            return count_parameters(channels, self.components)
        except ValueError as error:
            raise UserError(str(error)) from error

    def compute_nats(self, parameters: Tensor, x: Tensor, levels: int) -> Tensor:
        """-log p of every number. parameters: (N, P, H, W), x: (N, C, H, W) levels."""
        return compute_subpixel_nats(
            parameters, normalize_levels(x.to(parameters.dtype), levels), levels
        )

    def build_distribution(
        self, parameters: Tensor, previous_levels: Tensor, c: int, levels: int
    ) -> MixtureDistribution:
        """Channel c given the pixel's `previous_levels` levels (n, c). parameters: (n, P).

        One component is of all channels of a pixel: the earlier ones tell which it may be.
        """
        channels = 1 if parameters.shape[1] == count_parameters(1, self.components) else 3
        mix = unpack_mixture(parameters.double(), channels, levels)
        seen = normalize_levels(previous_levels.to(parameters.device).double(), levels)
        weights, means = mix.log_weights, condition_means(mix, seen)
        if c > 0:
            weights = torch.log_softmax(compute_joint_log_probs(mix, seen, levels)[:, -1], dim=1)
        return MixtureDistribution(weights, means[:, c], mix.log_scales[:, c], levels)
