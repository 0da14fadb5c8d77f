"""The process that turns pictures into noise, and single steps back.

Letters of DDPM (arXiv:2006.11239) and DDIM (arXiv:2010.02502): x0 the picture, eps the noise,
v the velocity, t a noise level and s the less noisy one that a step goes to; a_t and a_s are their
alpha-bars ("alpha" in DDIM's paper), scalars or (B, 1, 1, 1). Tensors x, x0, eps, v, noise are
(B, C, H, W). Randomness comes in as an argument.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smalti.core.errors import UserError

Prediction = Literal["eps", "x0", "v"]


def add_noise(x0: Tensor, eps: Tensor, a_t: Tensor) -> Tensor:
    """x_t ~ q(x_t | x_0), eq. 4 of DDPM."""
    return a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps


def compute_target(prediction: Prediction, x0: Tensor, eps: Tensor, a_t: Tensor) -> Tensor:
    """What the network is to predict; v = sqrt(a) eps - sqrt(1-a) x0, arXiv:2202.00512 app. D."""
    if prediction == "v":
        return a_t.sqrt() * eps - (1 - a_t).sqrt() * x0
    return eps if prediction == "eps" else x0


def compute_x0(prediction: Prediction, output: Tensor, x: Tensor, a_t: Tensor) -> Tensor:
    """The x0 that a network's output means for x at level t."""
    if prediction == "v":
        return a_t.sqrt() * x - (1 - a_t).sqrt() * output
    return (x - (1 - a_t).sqrt() * output) / a_t.sqrt() if prediction == "eps" else output


def compute_eps(x0: Tensor, x: Tensor, a_t: Tensor) -> Tensor:
    """The eps that, with x0, makes x at level t."""
    return (x - a_t.sqrt() * x0) / (1 - a_t).sqrt()


def posterior_variance(a_t: Tensor, a_s: Tensor) -> Tensor:
    """beta-tilde, variance of q(x_s | x_t, x_0): eq. 7 of DDPM, sigma(1)^2 in eq. 16 of DDIM."""
    return (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)


def posterior_mean(x: Tensor, x0: Tensor, a_t: Tensor, a_s: Tensor) -> Tensor:
    """mu-tilde, mean of q(x_s | x_t, x_0): eq. 7 of DDPM."""
    beta = 1 - a_t / a_s
    return (a_s.sqrt() * beta * x0 + (a_t / a_s).sqrt() * (1 - a_s) * x) / (1 - a_t)


def interpolate_log_variance(v: Tensor | None, low: Tensor, beta: Tensor) -> Tensor:
    """log of the learned variance, eq. 15 of Improved DDPM (arXiv:2102.09672).

    v is what the network puts out: -1 for `low`, the posterior's variance beta-tilde, and 1 for
    beta, the forward process's; the paper's v is (v + 1) / 2 of this one. Nothing keeps v between.
    UserError when there is no v.
    """
    if v is None:
        raise UserError(
            "variance is learned, but this model has learned none; give beta or beta-tilde"
        )
    share = (v + 1) / 2
    return share * beta.log() + (1 - share) * low.log()


def ddpm_step(
    x: Tensor, x0: Tensor, a_t: Tensor, a_s: Tensor, *, variance: Tensor, noise: Tensor
) -> Tensor:
    """One DDPM step t -> s: the mean of q(x_s | x_t, x_0), eq. 7, with noise of this variance."""
    return posterior_mean(x, x0, a_t, a_s) + variance.sqrt() * noise


def ddim_step(
    x0: Tensor, eps: Tensor, a_s: Tensor, *, sigma: Tensor, scale: Tensor, noise: Tensor
) -> Tensor:
    """One DDIM step to s, eq. 12: `sigma` stands under the root, the noise is scaled by `scale`.

    They are the same number but for sigma-hat (appendix D.3), whose larger noise is not taken
    out of the direction.
    """
    towards = (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps  # direction pointing to x_t
    return a_s.sqrt() * x0 + towards + scale * noise


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """Spherical interpolation from a to b, both (..., C, H, W), appendix D.5 of DDIM.

    The angle is taken per sample, over its C*H*W values. Where it is 0 or pi, or a sample is all
    zeros, there is no one arc, and the interpolation is along the straight line.
    """
    dims = (-3, -2, -1)
    p, q = a.double(), b.double()  # float32 cannot tell opposite vectors from nearly opposite ones
    cosine = (p * q).sum(dims, keepdim=True) / (
        torch.linalg.vector_norm(p, dim=dims, keepdim=True)
        * torch.linalg.vector_norm(q, dim=dims, keepdim=True)
    )
    theta = cosine.clamp(-1, 1).acos()  # (..., 1, 1, 1)
    of_a, of_b = (((f * theta).sin() / theta.sin()) for f in (1 - fraction, fraction))
    on_sphere = theta.sin() > 1e-6  # false for NaN too
    straight = (1 - fraction) * p + fraction * q
    return torch.where(on_sphere, of_a * p + of_b * q, straight).to(a.dtype)
