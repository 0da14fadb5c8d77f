"""The key-value cache of a Transformer's decoder, so that each symbol is computed once."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from smalti.layers.attention import attend
from smalti.translation.tokenizer import EOS
from smalti.translation.transformer import Transformer, join_heads, split_heads

FEW = 8
"""Sentences that PyTorch decodes: loading compiled code takes as long as ten of them."""
decoded_counts: WeakKeyDictionary[Transformer, int] = WeakKeyDictionary()
Ranking = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Scores, parents and symbols of continuations, each (m, count), best first."""


class DecoderCache(Protocol):
    """Encoded sentences, and the keys and values of n rows of their translations."""

    def append(self, symbols: Tensor) -> Tensor:
        """Append one symbol to each row (n,) -> logits (n, target_size) of the next one."""
        ...

    def rank_next(self, symbols: Tensor, scores: np.ndarray, count: int) -> Ranking:
        """Append symbols (m k,) to k prefixes of each of m sentences, and rank continuations.

        scores: (m, k) of the prefixes, to which log-probabilities are added. Symbols before </s>
        are left out.
        """
        ...

    def select(self, rows: Tensor) -> None:
        """Keep these rows (m,), in this order; rows may repeat."""
        ...


def make_cache(network: Transformer, source: Tensor) -> DecoderCache:
    """Encode source symbols (n, S), and make a cache with a row for each; compiled if it pays."""
    decoded_counts[network] = decoded_counts.get(network, 0) + len(source)
    if decoded_counts[network] > FEW and network.out.weight.device.type == "cpu":
        from smalti.translation import compiled_cache  # imports Numba, in 0.2 s

        if compiled_cache.can_compile(network):
            return compiled_cache.CompiledCache(network, source)
    return KVCache(network, source)


class KVCache:
    """Cached keys and values of every decoder layer, for n rows.

    network: in eval mode. source: (n, S) int64, ending in </s> and padded with <pad>.
    With `keeps_attention`, `attention` (n, S) says after each step what of the source the last
    layer looked at.
    """

    def __init__(self, network: Transformer, source: Tensor):
        self.network = network
        self.length, self.keeps_attention = 0, False
        self.attention = source.new_empty(0)
        memory, self.mask = network.encode(source)
        self.cross_cache = [layer.cross.project(memory) for layer in network.decoder]
        empty = memory.new_empty(
            *self.cross_cache[0][0].shape[:2], 0, self.cross_cache[0][0].shape[-1]
        )
        self.self_cache = [(empty, empty) for _ in network.decoder]

    def append(self, symbols: Tensor) -> Tensor:
        """Append one symbol to each row (n,) -> logits (n, target_size) of the next one."""
        network = self.network
        x = network.embed(network.target, symbols[:, None], self.length)  # (n, 1, width)
        for k, layer in enumerate(network.decoder):
            x = layer.residuals[0](x, lambda y, k=k: self.attend_to_self(k, y))
            x = layer.residuals[1](x, lambda y, k=k: self.attend_to_source(k, y))
            x = layer.residuals[2](x, layer.feed_forward)
        self.length += 1
        return network.out(network.decoder_norm(x)[:, 0])

    def attend_to_source(self, k: int, x: Tensor) -> Tensor:
        """Cross-attention of layer k; keeps the last layer's, as a mean over heads, if wanted."""
        cross, (keys, values) = self.network.decoder[k].cross, self.cross_cache[k]
        if self.keeps_attention and k == len(self.cross_cache) - 1:
            q = split_heads(cross.q(x), cross.heads)
            scores = q @ keys.mT / keys.shape[-1] ** 0.5  # (n, heads, 1, S)
            weights = scores.masked_fill(~self.mask, -torch.inf).softmax(-1)
            self.attention = weights.mean(1)[:, 0]  # (n, S)
        return cross(x, keys, values, self.mask)

    def attend_to_self(self, k: int, x: Tensor) -> Tensor:
        """Self-attention of layer k at the new position; caches its keys and values."""
        attention = self.network.decoder[k].attention
        q, key, value = attention.project(x)
        keys = torch.cat([self.self_cache[k][0], key], dim=2)
        values = torch.cat([self.self_cache[k][1], value], dim=2)
        self.self_cache[k] = keys, values
        return attention.out(join_heads(attend(q, keys, values)))

    def select(self, rows: Tensor) -> None:
        """Keep these rows (m,), in this order; rows may repeat."""
        self.mask = self.mask[rows]
        self.cross_cache = [(k[rows], v[rows]) for k, v in self.cross_cache]
        self.self_cache = [(k[rows], v[rows]) for k, v in self.self_cache]

    def rank_next(self, symbols: Tensor, scores: np.ndarray, count: int) -> Ranking:
        """As `DecoderCache.rank_next`."""
        logits = self.append(symbols).float()
        logits[:, :EOS] = -torch.inf
        log_p = logits.log_softmax(-1).double().unflatten(0, scores.shape)  # (m, k, K)
        totals = log_p + torch.from_numpy(scores).to(log_p.device)[:, :, None]
        best, indices = (x.cpu().numpy() for x in totals.flatten(1).topk(count))
        return best, indices // logits.shape[1], indices % logits.shape[1]
