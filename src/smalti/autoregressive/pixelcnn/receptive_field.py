"""Receptive fields of PixelCNNs, traced from the masks alone.

A field is (C, H, W) booleans. It is traced backwards through the layers from one output position:
which features of each color group, and finally which input values, influence it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from smalti.autoregressive.pixelcnn.masks import Mask


def mark_position(size: tuple[int, int], channels: int, position: tuple[int, int, int]) -> Tensor:
    """Return the field of position (i, j, c) alone."""
    i, j, c = position
    field = torch.zeros(channels, *size, dtype=torch.bool)
    field[c, i, j] = True
    return field


def trace_own_pixel(field: Tensor, mask: Mask) -> Tensor:
    """Trace the pixel's own tap: the earlier colors of each one, with mask B also its own."""
    C = len(field)
    sees = torch.ones(C, C).tril(0 if mask == "B" else -1)  # (seeing, seen)
    return torch.einsum("gh,gij->hij", sees, field.float()) > 0


def trace_window(field: Tensor, rows: range, columns: range) -> Tensor:
    """Trace taps at these offsets, which see all colors. field: (C, H, W)."""
    seen = torch.zeros(field.shape[1:], dtype=torch.bool)
    anywhere = field.any(0)
    for r in rows:
        for c in columns:
            seen |= F.pad(anywhere, (c, -c, r, -r))
    return seen.expand_as(field)


def trace_row_conv(field: Tensor, k: int, mask: Mask) -> Tensor:
    """Trace a row convolution: offsets -k//2 .. 0."""
    return trace_window(field, range(1), range(-(k // 2), 0)) | trace_own_pixel(field, mask)


def trace_masked_conv(field: Tensor, k: int, mask: Mask) -> Tensor:
    """Trace a masked k x k convolution."""
    half = k // 2
    return trace_window(field, range(-half, 0), range(-half, half + 1)) | trace_row_conv(
        field, k, mask
    )


def trace_pixelcnn(
    field: Tensor, first: int, blocks: int, masks: tuple[Mask, Mask] = ("A", "B")
) -> Tensor:
    """Trace a PixelCNN; other masks than the default show why it needs these."""
    field = trace_own_pixel(field, "B")  # the head
    for _ in range(blocks):
        inner = trace_masked_conv(
            trace_own_pixel(field, "B"), 3, masks[1]
        )  # with a skip connection
        field = inner if masks[1] == "A" else inner | trace_own_pixel(field, "B")
    return trace_masked_conv(field, first, masks[0])


def trace_gated_pixelcnn(field: Tensor, first: int, blocks: int) -> Tensor:
    """Trace a Gated PixelCNN."""
    h, v = trace_own_pixel(field, "B"), torch.zeros_like(field)
    for _ in range(blocks):
        h = trace_own_pixel(h, "B")
        v = trace_window(v | h, range(-1, 1), range(-1, 2))
        h = trace_row_conv(h, 3, "B")
    half = first // 2
    h = trace_own_pixel(h, "B")
    v = trace_window(v | h, range(-half - 1, 0), range(-half, half + 1))
    return v | trace_row_conv(h, first, "A")
