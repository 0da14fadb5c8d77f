"""Where latents and codes lie when they are compared."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from smalti.core.config import check_fields


@dataclass(frozen=True)
@check_fields
class Euclidean:
    """As they are."""

    def project(self, v: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        return v


@dataclass(frozen=True)
@check_fields
class Sphere:
    """Brought to length 1: the nearest code is that of the smallest angle, and no code is out of
    reach for its length. ViT-VQGAN's l2-normalized codes (arXiv:2110.04627, section 3.2).
    """

    def project(self, v: Tensor) -> Tensor:
        """(N, D) -> (N, D), each of length 1."""
        return F.normalize(v, dim=1)
