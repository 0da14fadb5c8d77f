"""Discretized logistic mixtures: a distribution over the levels of a pixel (arXiv:1701.05517).

Levels 0 .. L-1 are evenly spaced in [-1, 1]. A logistic density is integrated over the cell of each
level; the first and the last cell extend to infinity, so that the probabilities sum to one. In
color, the mean of G depends on R, and that of B on R and G (section 2.2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

MIN_LOG_SCALE, MAX_LOG_SCALE = -7.0, 50.0
"""Bounds of log-scales: below as in the original at 256 levels, scaled with the cell size at other
counts; above to stay within float32."""


class MixtureParameters(NamedTuple):
    """K logistics for each of the C channels of a pixel; `...` is (H, W), or empty."""

    log_weights: Tensor
    """(N, K, ...), normalized."""
    means: Tensor
    """(N, C, K, ...), in color before they are conditioned on earlier channels."""
    log_scales: Tensor
    """(N, C, K, ...), clamped."""
    coefficients: Tensor | None
    """(N, 3, K, ...) in (-1, 1): of R in G, of R in B, of G in B; None in gray."""


def count_parameters(channels: int, components: int) -> int:
    """Count the parameters of a pixel: 3 per component in gray, 10 in color."""
    if channels not in (1, 3):
        raise ValueError(f"pictures have {channels} channels; a mixture supports 1 or 3")
    return components * (3 if channels == 1 else 10)


def unpack_mixture(params: Tensor, channels: int, levels: int = 256) -> MixtureParameters:
    """Unpack parameters (N, P, ...) in the original's order.

    All weights come first, then for each channel its means, log-scales and, in color, coefficients.
    Raises ValueError when P is not a multiple of 3 (gray) or 10 (color).
    """
    per = count_parameters(channels, 1)
    K, rest = divmod(params.shape[1], per)
    if rest or not K:
        raise ValueError(f"{params.shape[1]} parameters are given; expected a multiple of {per}")
    narrowest = MIN_LOG_SCALE + math.log(255 / (levels - 1))
    each = params[:, K:].unflatten(1, (channels, -1, K))  # (N, C, 2 or 3, K, ...)
    return MixtureParameters(
        torch.log_softmax(params[:, :K], dim=1),
        each[:, :, 0],
        each[:, :, 1].clamp(narrowest, MAX_LOG_SCALE),
        torch.tanh(each[:, :, 2]) if channels == 3 else None,
    )


def condition_means(mix: MixtureParameters, x: Tensor) -> Tensor:
    """Condition the means on earlier channels of x (N, C', ...), C' <= C: (N, C, K, ...)."""
    if (c := mix.coefficients) is None:
        return mix.means
    x = x[:, :, None]  # (N, C', 1, ...)
    R, G, B = mix.means.unbind(1)
    if x.shape[1] > 0:
        G, B = G + c[:, 0] * x[:, 0], B + c[:, 1] * x[:, 0]
    if x.shape[1] > 1:
        B = B + c[:, 2] * x[:, 1]
    return torch.stack([R, G, B], dim=1)


def compute_log_probs(x: Tensor, means: Tensor, log_scales: Tensor, levels: int = 256) -> Tensor:
    """Compute the log-probability of the level at x under each logistic; arguments broadcast.

    sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)) is precise for cells of any
    width, so the original's two approximations are not needed.
    """
    half = 1 / (levels - 1)
    first, last = x < half - 1, x > 1 - half
    inverse = torch.exp(-log_scales)
    centered = x - means
    below_upper = F.logsigmoid(inverse * (centered + half)).masked_fill(last, 0)
    above_lower = F.logsigmoid(inverse * (half - centered)).masked_fill(first, 0)
    between = torch.log(-torch.expm1(-2 * half * inverse)).masked_fill(first | last, 0)
    return below_upper + above_lower + between


def compute_joint_log_probs(mix: MixtureParameters, x: Tensor, levels: int = 256) -> Tensor:
    """Compute log p(k, x_0 .. x_c) for every c of x (N, C, ...) in [-1, 1]: (N, C, K, ...)."""
    C = x.shape[1]
    means, log_scales = condition_means(mix, x)[:, :C], mix.log_scales[:, :C]
    cells = compute_log_probs(x[:, :, None], means, log_scales, levels)
    return mix.log_weights[:, None] + cells.cumsum(1)


def compute_subpixel_nats(params: Tensor, x: Tensor, levels: int = 256) -> Tensor:
    """Compute -log p(x_c | x_0 .. x_c-1) of every sub-pixel.

    params: (N, P, ...), x: (N, C, ...) in [-1, 1], each at one of the levels -> (N, C, ...).
    """
    joint = torch.logsumexp(
        compute_joint_log_probs(unpack_mixture(params, x.shape[1], levels), x, levels), dim=2
    )
    return torch.cat([-joint[:, :1], joint[:, :-1] - joint[:, 1:]], dim=1)


def nll(x: Tensor, params: Tensor, levels: int = 256) -> Tensor:
    """Compute -log p(x) of each picture in nats: (N,).

    x: (N, C, H, W) in [-1, 1], C = 1 or 3, at `levels` evenly spaced values. params: (N, P, H, W)
    with P = 3K in gray and 10K in color, in the original's order. Raises ValueError otherwise.
    """
    return compute_subpixel_nats(params, x, levels).flatten(1).sum(1)
