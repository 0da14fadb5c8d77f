"""8-bit weights: int8 matrices with one float16 scale per row."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from smalti.core.errors import UserError

SCALE_SUFFIX = ":scale"
"""Suffix of the name of a matrix's scales (rows,); no weight's name has a colon."""
MAX_INTEGER = 127
MIN_SCALE = 2.0**-24
"""The smallest positive float16, the scale of a row of zeros."""


def quantize_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Quantize floating weights: matrices to int8 rows and scales, vectors to float16.

    The error is at most half a scale: 1/254 of the largest number of the row.
    """
    stored: dict[str, Tensor] = {}
    for name, w in weights.items():
        if not w.is_floating_point():
            stored[name] = w
        elif w.ndim < 2:
            stored[name] = w.half()
        else:
            rows = w.float().flatten(1)
            scale = (rows.abs().amax(1) / MAX_INTEGER).half().clamp_min(MIN_SCALE)
            integers = (rows / scale.float()[:, None]).round().clamp(-MAX_INTEGER, MAX_INTEGER)
            stored[name], stored[name + SCALE_SUFFIX] = integers.to(torch.int8).view(w.shape), scale
    return stored


def dequantize_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore weights: those with scales as float32, others unchanged."""
    return {
        name: dequantize_matrix(w, weights.get(name + SCALE_SUFFIX))
        for name, w in weights.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def dequantize_matrix(w: Tensor, scale: Tensor | None) -> Tensor:
    return w if scale is None else (w.float().flatten(1) * scale.float()[:, None]).view(w.shape)


def drop_scale_shapes(
    shapes: Mapping[str, tuple[int, ...]], source: object
) -> dict[str, tuple[int, ...]]:
    """Drop the scales from shapes. UserError, naming `source`, for a scale without matrix."""
    kept = {name: shape for name, shape in shapes.items() if not name.endswith(SCALE_SUFFIX)}
    for name in shapes.keys() - kept.keys():
        matrix = kept.get(name.removesuffix(SCALE_SUFFIX), ())
        if len(matrix) < 2 or shapes[name] != matrix[:1]:
            raise UserError(f"{source}: {name} has shape {shapes[name]}, which fits no matrix")
    return kept
