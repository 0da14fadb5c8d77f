"""GPT's walker: a key-value cache, so that each position is computed once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.gpt.compiled_step import CompiledStep, can_compile_step
from smalti.autoregressive.gpt.network import GPT
from smalti.kernels.huge_pages import allocate


class GPTWalker:
    """Extends n sequences symbol by symbol after a prefix; for a GPT in eval mode."""

    @torch.no_grad()
    def __init__(self, network: GPT, prefix: Tensor, length: int):
        """prefix: (n, c) tokens of conditions, c >= 1; length: the most symbols after it."""
        self.network, self.position = network, 0
        n, c = prefix.shape
        blocks: Any = network.blocks
        D, heads = network.config.width, network.config.heads
        shape = (n, heads, c + length - 1, D // heads)
        like, compiles = network.positions, can_compile_step(network)
        self.int8 = network.int8_weights if compiles else None
        dtype = torch.bfloat16 if self.int8 else like.dtype
        self.keys, self.values = (
            allocate([shape] * len(blocks), dtype)
            if compiles
            else [like.new_empty(shape, dtype=dtype) for _ in blocks]
            for _ in range(2)
        )
        self.step = self.build_step() if compiles else None
        self.logits = self.append_tokens(prefix)

    def predict(self, k: int) -> Tensor:
        """Predict the logits (n, vocab_size) of the k-th symbol after the prefix."""
        return self.logits

    @torch.no_grad()
    def set_symbols(self, k: int, symbols: Tensor) -> None:
        """Set symbols (n,) at position k. The last position of all is ignored."""
        if self.position < self.keys[0].shape[2]:
            self.logits = self.append_tokens(symbols[:, None])

    def reorder(self, parents: Tensor) -> None:
        """Keep the sequences with indices `parents` (m,), which may repeat."""
        self.keys = [keys[parents] for keys in self.keys]
        self.values = [values[parents] for values in self.values]
        self.logits = self.logits[parents]
        self.step = None if self.step is None else self.build_step()

    def build_step(self) -> CompiledStep:
        return CompiledStep(self.network, self.keys, self.values, self.int8)

    def append_tokens(self, tokens: Tensor) -> Tensor:
        """Append tokens (n, t); return the logits (n, vocab_size) after the last."""
        net, start = self.network, self.position
        self.position = end = start + tokens.shape[1]
        x = net.tokens(tokens) + net.positions[start:end]  # (n, t, D)
        if self.step is not None and tokens.shape[1] == 1 and start:
            return self.step.run(x[:, 0], start)
        blocks: Any = net.blocks
        for block, keys, values in zip(blocks, self.keys, self.values, strict=True):
            q, k, v = block.project_qkv(x)
            keys[:, :, start:end], values[:, :, start:end] = k, v
            if start:
                k, v = keys[:, :, :end], values[:, :, :end]
            y = F.scaled_dot_product_attention(
                q, k, v, is_causal=tokens.shape[1] > 1
            )  # several tokens come only first, so a square causal mask is right
            x = block.add_residuals(x, y)
        return net.head(net.norm(x[:, -1]))
