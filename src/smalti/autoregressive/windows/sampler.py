"""The sampler of models that draw in windows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from smalti.core.config import check_fields
from smalti.core.ranges import Count
from smalti.layers.symbol_sampling import Ancestral


@dataclass(frozen=True)
@check_fields
class Sliding(Ancestral):
    """Ancestral sampling in windows that slide over a canvas of codes."""

    stride: Count = 1
    """Codes between two moves of the window; 1 is exact."""
    seamless: bool = False
    """Draw pictures that tile without a seam."""


def add_windows(sampler: Ancestral) -> Sliding:
    """The same choice of codes, in windows."""
    return Sliding(**{f.name: getattr(sampler, f.name) for f in fields(sampler)})
