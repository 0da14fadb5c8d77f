"""The logistic mixture output: from parameters to distributions over levels."""

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
    """Map integers 0 .. count-1 to [-1, 1]."""
    return 2 * levels / (count - 1) - 1


@dataclass(frozen=True)
class MixtureDistribution:
    """A mixture of K logistics for one symbol of each of n pictures."""

    log_weights: Tensor
    """(n, K) float64 log-probabilities of the components."""
    means: Tensor
    """(n, K) float64, roughly in [-1, 1]."""
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
        """Draw a component by u[:, 0] and its logistic by u[:, 1], rounded to a level: (n,) int64.

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
    """A mixture of logistics over levels (PixelCNN++)."""

    components: Depth = 5
    """Mixture components per pixel."""

    joint = True

    def count_parameters(self, channels: int, levels: int) -> int:
        """Count the parameters of a pixel. UserError unless pictures have 1 or 3 channels."""
        try:
            return count_parameters(channels, self.components)
        except ValueError as error:
            raise UserError(str(error)) from error

    def compute_nats(self, parameters: Tensor, x: Tensor, levels: int) -> Tensor:
        """Compute -log p of every level. parameters: (N, P, H, W), x: (N, C, H, W)."""
        return compute_subpixel_nats(
            parameters, normalize_levels(x.to(parameters.dtype), levels), levels
        )

    def build_distribution(
        self, parameters: Tensor, previous_levels: Tensor, c: int, levels: int
    ) -> MixtureDistribution:
        """Build the distribution of channel c given `previous_levels` (n, c). parameters: (n, P).

        The channels of a pixel share one component, so earlier channels update the weights.
        """
        channels = 1 if parameters.shape[1] == count_parameters(1, self.components) else 3
        mix = unpack_mixture(parameters.double(), channels, levels)
        previous = normalize_levels(previous_levels.to(parameters.device).double(), levels)
        weights, means = mix.log_weights, condition_means(mix, previous)
        if c > 0:
            weights = torch.log_softmax(
                compute_joint_log_probs(mix, previous, levels)[:, -1], dim=1
            )
        return MixtureDistribution(weights, means[:, c], mix.log_scales[:, c], levels)
