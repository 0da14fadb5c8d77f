"""Spaces in which latents and codes are compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from smalti.core.config import check_fields


@dataclass(frozen=True)
@check_fields
class Euclidean:
    """Euclidean distance of latents and codes."""

    def project(self, v: Tensor) -> Tensor:
        """Return v (N, D) unchanged."""
        return v


@dataclass(frozen=True)
@check_fields
class Sphere:
    """L2-normalized latents and codes: the nearest code has the smallest angle.

    No code is unreachable because of its norm. ViT-VQGAN, arXiv:2110.04627, section 3.2.
    """

    def project(self, v: Tensor) -> Tensor:
        """Normalize v (N, D) to length 1."""
        return F.normalize(v, dim=1)
