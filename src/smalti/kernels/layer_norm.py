"""Layer norm of rows."""

from __future__ import annotations

import math

import numba

from smalti.kernels.jit import INNER_JIT_OPTIONS
from smalti.kernels.loops import cast_like, offset_pointer
from smalti.kernels.weight_rows import SUM_FLAGS

EPSILON = 1e-5
"""Of nn.LayerNorm."""


@numba.njit(**INNER_JIT_OPTIONS, fastmath=SUM_FLAGS)
def normalize_rows(x, weight, bias, out, rows, D, stride):
    """out = LayerNorm of x (rows, D), whose rows are a stride apart."""
    for s in range(rows):
        line, to = offset_pointer(x, s * stride), offset_pointer(out, s * stride)
        total, squares = cast_like(0, x), cast_like(0, x)
        for k in range(D):
            total += line[k]
        mean = total / cast_like(D, x)
        for k in range(D):
            squares += (line[k] - mean) * (line[k] - mean)
        scale = cast_like(1 / math.sqrt(squares / D + EPSILON), x)
        for k in range(D):
            to[k] = (line[k] - mean) * scale * weight[k] + bias[k]
