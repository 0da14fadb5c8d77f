"""The result of a search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smalti.core.short_repr import format_short_repr


class Match(NamedTuple):
    """A nearest-neighbor field: for every patch of a, a patch of b.

    field: (H, W, 2) int32, the row and column in b of the matched patch's center.
    distance: (H, W) float32, the mean squared difference of the two patches over all their
    values (patch x patch x channels), in the input's units squared.
    """

    __repr__ = format_short_repr

    field: np.ndarray
    distance: np.ndarray
