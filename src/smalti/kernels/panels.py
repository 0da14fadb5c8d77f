"""Weights as the compiled products read them, from front to back: in panels of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

PANEL_BYTES = 128
"""Of a panel's row: 32 columns in float32, 16 in float64; two vectors of AVX-512, four of AVX."""


def panel_width(dtype: Any) -> int:
    """Columns of a panel."""
    return PANEL_BYTES // np.dtype(dtype).itemsize


def round_up_to_panels(n: int, dtype: Any) -> int:
    """n, up to whole panels."""
    return -(-n // panel_width(dtype)) * panel_width(dtype)


def pack_panels(weight: np.ndarray) -> np.ndarray:
    """(..., K, O) as panels of columns, (..., O / width, K, width)."""
    *lead, k, o = weight.shape
    columns = panel_width(weight.dtype)
    return np.ascontiguousarray(
        weight.reshape(*lead, k, o // columns, columns).swapaxes(-3, -2)
    )  # (..., O / width, K, width)
