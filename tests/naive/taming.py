"""VQGAN's encoder and GPT of CompVis/taming-transformers, written plainly from their weights."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = dict[str, Tensor]


def encode(weights: Weights, n_embed: int, ddconfig: dict[str, Any], x: Tensor) -> Tensor:
    """Codes (N, h, w) of the network's input x (N, C, H, W)."""
    w = {name.removeprefix("encoder."): value for name, value in weights.items()}
    x = convolve(w, "conv_in", x, padding=1)
    resolution = ddconfig["resolution"]
    for k in range(len(ddconfig["ch_mult"])):
        for b in range(ddconfig["num_res_blocks"]):
            x = apply_block(w, f"down.{k}.block.{b}", x)
            if resolution in ddconfig["attn_resolutions"]:
                x = apply_attention(w, f"down.{k}.attn.{b}", x)
        if k < len(ddconfig["ch_mult"]) - 1:
            x = F.pad(x, (0, 1, 0, 1))
            x = convolve(w, f"down.{k}.downsample.conv", x, stride=2)
            resolution //= 2
    x = apply_block(w, "mid.block_1", x)
    x = apply_attention(w, "mid.attn_1", x)
    x = apply_block(w, "mid.block_2", x)
    x = convolve(w, "conv_out", F.silu(normalize(w, "norm_out", x)), padding=1)
    z = convolve(w, "quant_conv", x).movedim(1, 3)  # (N, h, w, D)
    codebook = w["quantize.embedding.weight"]
    assert len(codebook) == n_embed
    return torch.stack([(z - code).square().sum(3) for code in codebook]).argmin(0)


def convolve(w: Weights, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    return F.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride, padding)


def normalize(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.group_norm(x, 32, w[f"{name}.weight"], w[f"{name}.bias"], 1e-6)


def apply_block(w: Weights, name: str, x: Tensor) -> Tensor:
    h = convolve(w, f"{name}.conv1", F.silu(normalize(w, f"{name}.norm1", x)), padding=1)
    h = convolve(w, f"{name}.conv2", F.silu(normalize(w, f"{name}.norm2", h)), padding=1)
    return h + (convolve(w, f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in w else x)


def apply_attention(w: Weights, name: str, x: Tensor) -> Tensor:
    y = normalize(w, f"{name}.norm", x)
    q, k, v = (convolve(w, f"{name}.{part}", y).flatten(2) for part in "qkv")  # (N, C, H W)
    p = (q.mT @ k / q.shape[1] ** 0.5).softmax(2)  # (N, queries, keys)
    return x + convolve(w, f"{name}.proj_out", (v @ p.mT).view(x.shape))


def compute_logits(weights: Weights, heads: int, tokens: Tensor) -> Tensor:
    """The GPT's logits (N, T, vocab_size) after tokens (N, T)."""
    T = tokens.shape[1]
    x = weights["tok_emb.weight"][tokens] + weights["pos_emb"][0, :T]
    k = 0
    while f"blocks.{k}.ln1.weight" in weights:
        w = {n.removeprefix(f"blocks.{k}."): v for n, v in weights.items()}
        y = normalize_layer(w, "ln1", x)
        q, key, v = (
            apply_linear(w, f"attn.{part}", y).unflatten(2, (heads, -1)).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ key.mT / q.shape[3] ** 0.5
        scores = scores.masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -torch.inf)
        y = (scores.softmax(3) @ v).transpose(1, 2).flatten(2)
        x = x + apply_linear(w, "attn.proj", y)
        y = F.gelu(apply_linear(w, "mlp.0", normalize_layer(w, "ln2", x)))
        x = x + apply_linear(w, "mlp.2", y)
        k += 1
    return normalize_layer(weights, "ln_f", x) @ weights["head.weight"].T


def normalize_layer(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def apply_linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])
