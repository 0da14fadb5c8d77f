"""How gradients pass a choice of codes: two estimators, by type."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from smalti.core.config import check_fields

EPS = 1e-6


@dataclass(frozen=True)
@check_fields
class StraightThrough:
    """The gradient at the code is taken for that at the latent (VQ-VAE, arXiv:1711.00937, 3.2)."""

    def __call__(self, z: Tensor, e: Tensor) -> Tensor:
        """z: latents (N, D), e: their codes (N, D) -> e, with z's gradient."""
        return z + (e - z).detach()


@dataclass(frozen=True)
@check_fields
class Rotation:
    """The gradient turns and scales as z has to, to become e (arXiv:2410.06424, section 4.2).

    Points that share a code keep their angles, where straight-through moves them all alike.
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
        turned = z - 2 * r * dot(r, z) + 2 * eu * dot(zu, z)
        turned = turned * (ne / nz)
        return turned + (e0 - turned).detach()  # the value is e to the last bit, also opposite z


def dot(a: Tensor, b: Tensor) -> Tensor:
    """(N, D), (N, D) -> (N, 1)."""
    return (a * b).sum(1, keepdim=True)
