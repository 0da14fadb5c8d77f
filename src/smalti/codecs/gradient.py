"""Gradient estimators through the choice of codes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smalti.core.config import check_fields

EPS = 1e-6


@dataclass(frozen=True)
@check_fields
class StraightThrough:
    """Straight-through: copies the gradient of the code to the latent.

    VQ-VAE, arXiv:1711.00937, section 3.2.
    """

    def __call__(self, z: Tensor, e: Tensor) -> Tensor:
        """z: latents (N, D), e: their codes (N, D) -> e, with z's gradient."""
        return z + (e - z).detach()


@dataclass(frozen=True)
@check_fields
class Rotation:
    """Rotation trick: rotates and scales the gradient as z to e.

    arXiv:2410.06424, section 4.2. Latents of the same code keep the angles between them;
    straight-through moves all of them alike.
    """

    def __call__(self, z: Tensor, e: Tensor) -> Tensor:
        """z: latents (N, D), e: their codes (N, D) -> e, with the gradient of lambda R z.

        R = I - 2 r r^T + 2 e^ z^T with unit vectors z^, e^ and r = (z^ + e^) / |z^ + e^| (eq. 4).
        """
        z0, e0 = z.detach(), e.detach()
        nz, ne = (v.norm(dim=1, keepdim=True).clamp(min=EPS) for v in (z0, e0))
        zu, eu = z0 / nz, e0 / ne
        r = zu + eu
        r = r / r.norm(dim=1, keepdim=True).clamp(min=EPS)
        rotated = z - 2 * r * dot(r, z) + 2 * eu * dot(zu, z)
        rotated = rotated * (ne / nz)
        # the value is exactly e, also where e is opposite z
        return rotated + (e0 - rotated).detach()


def dot(a: Tensor, b: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N, 1)."""
    return (a * b).sum(1, keepdim=True)
