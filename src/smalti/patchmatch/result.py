"""What a search gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smalti.core.brief import tell_briefly


class Match(NamedTuple):
    """For every patch of a, a patch of b.

    field: (H, W, 2) int32, the row and column in b of the matched patch's centre.
    distance: (H, W) float32, the mean squared difference of the two patches over all their
    numbers (patch x patch x channels), in the input's units squared.
    """

    __repr__ = tell_briefly

    field: np.ndarray
    distance: np.ndarray
