"""The slow, obvious twin of sliding windows: the whole network anew for each code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from smalti.layers.symbol_sampling import Ancestral, draw_symbols


@torch.no_grad()
def draw_in_windows(
    gpt: Any,
    maps: list[Tensor],
    front: Tensor | None,
    canvas: tuple[int, int],
    window: tuple[int, int],
    u: Tensor,
    sampler: Ancestral,
    stride: int = 1,
) -> Tensor:
    """(n, H, W), code by code. front: (n, c); maps: (n, H, W) each; u: (n, H, W)."""
    (H, W), n = canvas, len(u)
    h, w = min(window[0], H), min(window[1], W)
    codes = torch.zeros(n, H, W, dtype=torch.int64)
    for i in range(H):
        top = min(max(i - i % stride - h // 2, 0), H - h)
        for j in range(W):
            left = min(max(j - j % stride - w // 2, 0), W - w)
            cuts = [x[:, top : top + h, left : left + w].reshape(n, -1) for x in [*maps, codes]]
            tokens = torch.cat([*([] if front is None else [front]), *cuts], 1)
            logits = gpt(tokens[:, :-1])[:, -h * w :].unflatten(1, (h, w))
            codes[:, i, j] = draw_symbols(logits[:, i - top, j - left], u[:, i, j], sampler)
    return codes
