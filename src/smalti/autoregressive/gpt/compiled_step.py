"""GPT's step on a CPU as one compiled call, with float or int8 weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smalti.autoregressive.gpt.int8_weights import Int8Weights
from smalti.autoregressive.gpt.network import GPT
from smalti.kernels import transformer_step as kernel
from smalti.kernels.cache_attention import ROWS
from smalti.kernels.threads import start_threads

COSTLY_STEP = 4_000_000
"""Numbers to read per step above which threads are worth their waiting."""


def can_compile_step(network: GPT) -> bool:
    """Whether the compiled step supports the network's type and device."""
    w = network.positions
    return w.dtype in (torch.float32, torch.float64) and w.device.type == "cpu"


class CompiledStep:
    """`run(x, position)`: embeddings (n, D) of one token each -> logits (n, vocab_size).

    keys, values: a cache (n, heads, T, D / heads) per block, which it appends to.
    """

    def __init__(
        self, network: GPT, keys: list[Tensor], values: list[Tensor], int8: Int8Weights | None
    ):
        n, heads, T, d = keys[0].shape
        D, vocab, threads = heads * d, network.head.out_features, torch.get_num_threads()
        blocks: Any = network.blocks
        numbers = 12 * len(blocks) * D * D + 2 * len(blocks) * n * T * D
        threads = threads if numbers > COSTLY_STEP else 1
        like = network.positions.detach()
        self.kept: list[Tensor] = [*keys, *values]
        self.threads, self.int8 = threads, int8
        wide = max(4 * D, vocab)
        self.zeros, self.ones = like.new_zeros(wide), like.new_ones(wide)
        self.x, self.logits = like.new_empty(n, D), like.new_empty(n, vocab)
        self.counter = np.zeros(1, np.int64)
        room = [self.x, like.new_empty(threads, n, D), like.new_empty(n, max(3 * D, vocab))]
        room += [like.new_empty(n, D), like.new_empty(n, 4 * D), like.new_empty(threads, T + ROWS)]
        room += [like.new_empty(threads, 64), self.logits, like.new_empty(threads, n * (2 * D + 1))]
        self.kept += room
        table = [
            [
                *self.list_addresses(block.attention_norm),
                *self.list_addresses(block.qkv),
                *self.list_addresses(block.out),
                *self.list_addresses(block.hidden_norm),
                *self.list_addresses(block.hidden[0]),
                *self.list_addresses(block.hidden[2]),
                k.data_ptr(),
                v.data_ptr(),
            ]
            for block, k, v in zip(blocks, keys, values, strict=True)
        ]
        table.append([*self.list_addresses(network.norm), *self.list_addresses(network.head)])
        table.append([*(x.data_ptr() for x in room), self.counter.ctypes.data])
        self.table = np.array([[*row, *[0] * (18 - len(row))] for row in table], np.int64)
        self.sizes = np.array([n, D, heads, 0, T, vocab, threads], np.int64)
        one = np.empty(0, like.numpy().dtype)
        self.likes = (
            one,
            np.empty(0, np.int8) if int8 else one,
            np.empty(0, np.uint16) if keys[0].dtype == torch.bfloat16 else one,
        )

    def list_addresses(self, layer: nn.Module) -> list[int]:
        """List the addresses of a norm's weight and bias, or of a matrix, its scales and bias."""
        weight: Any = layer.weight
        bias: Any = self.zeros if layer.bias is None else layer.bias
        if isinstance(layer, nn.LayerNorm):
            found = [weight, bias]
        elif self.int8:
            matrix, scale = self.int8.matrices[layer]
            found = [matrix, scale.to(self.ones), bias]
        else:
            found = [weight, self.ones, bias]
        found = [x.detach().contiguous() for x in found]
        self.kept += found
        return [x.data_ptr() for x in found]

    def run(self, x: Tensor, position: int) -> Tensor:
        """Compute the logits (n, vocab_size) after embeddings x (n, D) at a position."""
        self.x.copy_(x)
        self.sizes[3], self.counter[0] = position, 0
        if self.threads > 1:
            pool = start_threads(self.threads - 1)
            others = [pool.submit(self.run_thread, i) for i in range(1, self.threads)]
            self.run_thread(0)
            for other in others:
                other.result()
        else:
            self.run_thread(0)
        return self.logits.clone()

    def run_thread(self, thread: int) -> None:
        kernel.step(self.table, self.sizes, *self.likes, thread)
