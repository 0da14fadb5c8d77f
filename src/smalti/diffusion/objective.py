"""Training objectives. Each takes noisy pictures and the network's output."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Loss
from smalti.core.ranges import Positive
from smalti.diffusion.likelihood import (
    Variance,
    compute_log_variance,
    extract,
    level_nats,
    prior_nats,
)
from smalti.diffusion.process import Prediction, add_noise, compute_target, compute_x0

MAX_WEIGHT = 400.0


@dataclass(frozen=True, eq=False)
class NoisyBatch:
    """Noisy pictures, each at its noise level."""

    x0: Tensor
    """(B, C, H, W) in [-1, 1]."""
    eps: Tensor
    """The noise, (B, C, H, W)."""
    t: Tensor
    """Levels, (B,) in 0 .. T-1."""
    x: Tensor
    """x_t, (B, C, H, W)."""


def draw_noisy_batch(x0: Tensor, alpha_bars: Tensor) -> NoisyBatch:
    """Add noise to x0 at random levels, by torch's default generator.

    Levels are stratified over the batch: each is uniform, together they cover 0 .. T-1 evenly.
    """
    B, T = len(x0), len(alpha_bars)
    u = (torch.arange(B, device=x0.device) + torch.rand(1, device=x0.device)) / B
    t = (u * T).long().clamp(max=T - 1)  # (B,)
    eps = torch.randn_like(x0)
    return NoisyBatch(x0, eps, t, add_noise(x0, eps, extract(alpha_bars, t).to(x0.dtype)))


@dataclass(frozen=True)
@check_fields
class Simple:
    """The simple loss, eq. 14 of DDPM (arXiv:2006.11239)."""

    gamma: Positive | None = None
    """Gamma of min-SNR weighting. None: equal weights. arXiv:2303.09556 uses 5."""
    loss_space: Prediction | None = None
    """Space of the error: eps, x0 or v. Default: the prediction's."""

    learns_variance = False

    def __post_init__(self) -> None:
        if self.gamma is not None and self.loss_space is not None:
            raise UserError(
                f"gamma is {self.gamma} and loss_space {self.loss_space!r}; give one of the two"
            )

    def loss(
        self, noisy: NoisyBatch, output: Tensor, prediction: Prediction, alpha_bars: Tensor
    ) -> Loss:
        a_t = extract(alpha_bars, noisy.t).to(noisy.x0.dtype)  # (B, 1, 1, 1)
        expected = compute_target(prediction, noisy.x0, noisy.eps, a_t)
        output = output.to(expected.dtype)
        if self.gamma is None and self.loss_space in (None, prediction):
            total = F.mse_loss(output, expected)
        else:
            weight = self.compute_weight(prediction, extract(alpha_bars, noisy.t))
            total = (weight.to(expected.dtype) * (output - expected) ** 2).mean()
        return Loss(total, {"loss": total.detach()})

    def compute_weight(self, prediction: Prediction, a_t: Tensor) -> Tensor:
        """Weight of a squared error of the prediction at a level, at most MAX_WEIGHT.

        The limit is that of arXiv:2511.13720, where x0 is predicted and the error is that of v:
        near the picture that weight is unbounded.
        """
        if self.gamma is not None:
            return min_snr_weight(self.gamma, prediction, a_t)
        scale = compute_error_scale(self.loss_space or prediction, a_t) / compute_error_scale(
            prediction, a_t
        )
        return scale.clamp(max=MAX_WEIGHT)


@dataclass(frozen=True)
@check_fields
class Bound:
    """The variational bound in bits/dim, eq. 5 of DDPM.

    Estimated at uniform levels, times their number.
    """

    variance: Variance = "learned"
    """Variance of a step. Learned is between the fixed beta and beta-tilde."""

    @property
    def learns_variance(self) -> bool:
        return self.variance == "learned"

    def loss(
        self, noisy: NoisyBatch, output: Tensor, prediction: Prediction, alpha_bars: Tensor
    ) -> Loss:
        output, v = split_output(output, noisy.x0.shape[1], self.learns_variance)
        total = bits_per_dim(noisy, output, v, prediction, alpha_bars, self.variance)
        return Loss(total, {"loss": total.detach()})


@dataclass(frozen=True)
@check_fields
class Hybrid:
    """The simple loss plus the bound, eq. 16 of arXiv:2102.09672.

    The bound trains the variance.
    """

    weight: Positive = 0.001
    """Weight lambda of the bound, in bits/dim."""

    learns_variance = True

    def loss(
        self, noisy: NoisyBatch, output: Tensor, prediction: Prediction, alpha_bars: Tensor
    ) -> Loss:
        output, v = split_output(output, noisy.x0.shape[1], learns_variance=True)
        simple = Simple().loss(noisy, output, prediction, alpha_bars).total
        # the bound trains the variance only, not the mean
        bits = bits_per_dim(noisy, output.detach(), v, prediction, alpha_bars, "learned")
        total = simple + self.weight * bits
        terms = {"loss": total, "simple": simple, "bits_per_dim": bits}
        return Loss(total, {name: term.detach() for name, term in terms.items()})


def bits_per_dim(
    noisy: NoisyBatch,
    output: Tensor,
    v: Tensor | None,
    prediction: Prediction,
    alpha_bars: Tensor,
    variance: Variance,
) -> Tensor:
    """Estimate the bound from one level per picture, in bits/dim; scalar float64."""
    x0, x = noisy.x0.double(), noisy.x.double()
    x0_hat = compute_x0(prediction, output.double(), x, extract(alpha_bars, noisy.t))
    log_var = compute_log_variance(variance, None if v is None else v.double(), noisy.t, alpha_bars)
    nats = level_nats(x0, x, noisy.t, x0_hat, log_var, alpha_bars)  # (B,)
    bound = len(alpha_bars) * nats + prior_nats(x0, alpha_bars)
    return bound.mean() / (x0[0].numel() * math.log(2))


def split_output(
    output: Tensor, channels: int, learns_variance: bool
) -> tuple[Tensor, Tensor | None]:
    """Split the network's output into the prediction and, if learned, v; (B, C, H, W) each."""
    expected = 2 * channels if learns_variance else channels
    if output.shape[1] != expected:
        raise UserError(
            f"the network outputs {output.shape[1]} channels for pictures of {channels}, but this "
            f"objective needs {expected}; give another network or another objective"
        )
    return (output[:, :channels], output[:, channels:]) if learns_variance else (output, None)


def min_snr_weight(gamma: float, prediction: Prediction, a_t: Tensor) -> Tensor:
    """Min-SNR weight of a level, section 3.4 of arXiv:2303.09556: min(SNR, gamma) on the x0 error.

    It is converted to a weight on the error of the prediction.
    """
    return (a_t / (1 - a_t)).clamp(max=gamma) / compute_error_scale(prediction, a_t)


def compute_error_scale(prediction: Prediction, a_t: Tensor) -> Tensor:
    """The squared error of eps, x0 or v that corresponds to a squared error 1 of x0."""
    snr = a_t / (1 - a_t)
    return {"x0": torch.ones_like(snr), "eps": snr, "v": snr + 1}[prediction]
