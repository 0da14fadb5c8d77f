"""Attention, and self-attention over the pixels of a feature map."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.layers.dropout import drop_elements


class PixelAttention(nn.Module):
    """Residual multi-head self-attention over H*W positions, as in DDPM (arXiv:2006.11239)."""

    def __init__(self, width: int, heads: int, groups: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        B, D, H, W = x.shape
        h = self.norm(x).flatten(2).transpose(1, 2)  # (B, H*W, D)
        qkv = self.qkv(h).reshape(B, H * W, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, H*W, D/heads)
        y = attend(q, k, v)
        y = self.out(y.transpose(1, 2).flatten(2))  # (B, H*W, D)
        return x + y.transpose(1, 2).reshape(B, D, H, W)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool = False,
    dropout: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """Compute softmax(q k^T / sqrt(d)) v; on a CPU in float32 or more.

    The bf16 backward is 10x slower there.

    causal: position t of q sees positions 0 .. t of k. dropout: of attention weights.
    mask: bool, broadcast to (N, heads, T, S), True where a position of q attends to one of k;
    replaces causal. A fully masked position gets zeros, never NaN.
    """
    sees = None if mask is None else mask.any(-1, keepdim=True)
    if mask is not None and sees is not None:
        mask, causal = mask | ~sees, False
    if q.device.type != "cpu":
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout, causal)
    else:
        wide = torch.promote_types(q.dtype, torch.float32)
        with torch.autocast("cpu", enabled=False):
            q, k, v = q.to(wide), k.to(wide), v.to(wide)
            y = (
                attend_with_dropout(q, k, v, causal, dropout, mask)
                if dropout
                else F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
            )
    return y if sees is None else y * sees


def attend_with_dropout(
    q: Tensor, k: Tensor, v: Tensor, causal: bool, dropout: float, mask: Tensor | None
) -> Tensor:
    """Attention as PyTorch computes it with dropout, but with masks drawn by the byte."""
    if causal:
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool, device=q.device).tril()
    scores = (q * q.shape[3] ** -0.5) @ k.mT  # (N, heads, T, S)
    if mask is not None:
        scores = scores.masked_fill_(~mask, -torch.inf)
    return drop_elements(scores.softmax(-1), dropout) @ v
