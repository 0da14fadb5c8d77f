"""The forward process that adds noise to pictures, and single reverse steps.

Letters of DDPM (arXiv:2006.11239) and DDIM (arXiv:2010.02502): x0 is the picture, eps the noise,
v the velocity, t a noise level and s the less noisy level after a step; a_t and a_s are their
alpha-bars ("alpha" in DDIM's paper), scalars or (B, 1, 1, 1). Tensors x, x0, eps, v, noise are
(B, C, H, W). Randomness is an argument.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from smalti.core.errors import UserError

Prediction = Literal["eps", "x0", "v"]


def add_noise(x0: Tensor, eps: Tensor, a_t: Tensor) -> Tensor:
    """Sample x_t ~ q(x_t | x_0), eq. 4 of DDPM."""
    return a_t.sqrt() * x0 + (1 - a_t).sqrt() * eps


def compute_target(prediction: Prediction, x0: Tensor, eps: Tensor, a_t: Tensor) -> Tensor:
    """The network's target; v = sqrt(a) eps - sqrt(1-a) x0, arXiv:2202.00512 app. D."""
    if prediction == "v":
        return a_t.sqrt() * eps - (1 - a_t).sqrt() * x0
    return eps if prediction == "eps" else x0


def compute_x0(prediction: Prediction, output: Tensor, x: Tensor, a_t: Tensor) -> Tensor:
    """Convert the network's output for x at level t to x0."""
    if prediction == "v":
        return a_t.sqrt() * x - (1 - a_t).sqrt() * output
    return (x - (1 - a_t).sqrt() * output) / a_t.sqrt() if prediction == "eps" else output


def compute_eps(x0: Tensor, x: Tensor, a_t: Tensor) -> Tensor:
    """Compute the eps that gives x at level t with x0."""
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

    v is the network's output: -1 for `low`, the posterior's variance beta-tilde, and 1 for beta,
    the forward process's. The paper's v is (v + 1) / 2. v is not limited to that range.
    UserError if v is None.
    """
    if v is None:
        raise UserError(
            "variance is learned, but this model has no learned variance; give beta or beta-tilde"
        )
    share = (v + 1) / 2
    return share * beta.log() + (1 - share) * low.log()


def ddpm_step(
    x: Tensor, x0: Tensor, a_t: Tensor, a_s: Tensor, *, variance: Tensor, noise: Tensor
) -> Tensor:
    """One DDPM step t -> s: the mean of q(x_s | x_t, x_0), eq. 7, plus noise of this variance."""
    return posterior_mean(x, x0, a_t, a_s) + variance.sqrt() * noise


def ddim_step(
    x0: Tensor, eps: Tensor, a_s: Tensor, *, sigma: Tensor, scale: Tensor, noise: Tensor
) -> Tensor:
    """One DDIM step to s, eq. 12: `sigma` is under the root, `scale` multiplies the noise.

    They are equal except for sigma-hat (appendix D.3), whose larger noise is not subtracted from
    the direction.
    """
    towards = (1 - a_s - sigma**2).clamp(min=0).sqrt() * eps  # direction pointing to x_t
    return a_s.sqrt() * x0 + towards + scale * noise


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """Spherical interpolation from a to b, both (..., C, H, W), appendix D.5 of DDIM.

    The angle is computed per sample, over its C*H*W values. If it is 0 or pi, or a sample is all
    zeros, the arc is undefined and the interpolation is linear.
    """
    dims = (-3, -2, -1)
    p, q = (
        a.double(),
        b.double(),
    )  # float32 cannot distinguish opposite from nearly opposite vectors
    cosine = (p * q).sum(dims, keepdim=True) / (
        torch.linalg.vector_norm(p, dim=dims, keepdim=True)
        * torch.linalg.vector_norm(q, dim=dims, keepdim=True)
    )
    theta = cosine.clamp(-1, 1).acos()  # (..., 1, 1, 1)
    weight_a, weight_b = (((f * theta).sin() / theta.sin()) for f in (1 - fraction, fraction))
    on_sphere = theta.sin() > 1e-6  # false for NaN too
    straight = (1 - fraction) * p + fraction * q
    return torch.where(on_sphere, weight_a * p + weight_b * q, straight).to(a.dtype)
