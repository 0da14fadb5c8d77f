"""Packing weights in panels of columns, the order in which compiled products read them."""

from __future__ import annotations

from typing import Any

import numpy as np

PANEL_BYTES = 128
"""Bytes of a panel's row: 32 columns in float32, 16 in float64; two AVX-512 vectors, four AVX."""


def panel_width(dtype: Any) -> int:
    """Return the columns of a panel."""
    return PANEL_BYTES // np.dtype(dtype).itemsize


def round_up_to_panels(n: int, dtype: Any) -> int:
    """Round n up to whole panels."""
    return -(-n // panel_width(dtype)) * panel_width(dtype)


def pack_panels(weight: np.ndarray) -> np.ndarray:
    """Pack (..., K, O) in panels of columns, (..., O / width, K, width)."""
    *lead, k, o = weight.shape
    columns = panel_width(weight.dtype)
    return np.ascontiguousarray(
        weight.reshape(*lead, k, o // columns, columns).swapaxes(-3, -2)
    )  # (..., O / width, K, width)
