"""A GPT over all windows of a canvas: each window keeps the keys and values of its tokens.

A code needs its window's prefix alone, so most windows are evaluated up to their middle. Near the
borders many codes share a window: it is extended by the tokens that are new. All codes of a step
are evaluated together, whatever the lengths of their prefixes: linear layers see the tokens of all,
attention sees each window by itself. Of the last block only the last tokens are wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.gpt.network import GPT
from smalti.autoregressive.windows.layout import Place, WindowLayout
from smalti.autoregressive.windows.prefix import WindowPrefix

MAX_TOKENS = 16_384
"""Most tokens that are evaluated together, unless one window of all samples has more."""
MAX_CACHE_BYTES = 2**31
"""Most memory for keys and values; windows beyond it are evaluated anew for each code."""


class WindowCache:
    """Keys and values of one window of n samples."""

    def __init__(self, network: GPT, n: int, capacity: int):
        D, heads = network.config.width, network.config.heads
        shape = (2, len(network.blocks), n, heads, capacity, D // heads)
        self.keys, self.values = network.positions.new_empty(shape)
        self.length = 0

    @property
    def n_bytes(self) -> int:
        return 2 * self.keys.nbytes


@dataclass(eq=False)
class Piece:
    """Windows of a step that have equally many tokens, old and new."""

    tokens: Tensor
    """(G, n, t): the new ones, of G windows."""
    caches: list[WindowCache | None]
    """G; None for a window that nobody asks for again."""
    start: int
    """Tokens whose keys and values are cached."""
    end: int
    """Tokens in all, t more."""

    @property
    def n_tokens(self) -> int:
        return self.tokens.numel()

    def split_heads(self, x: Tensor) -> Tensor:
        """(heads, G n t, d) -> (G n, heads, t, d)."""
        G, n, t = self.tokens.shape
        return x.unflatten(1, (G * n, t)).transpose(0, 1)

    def attend(self, block: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of q (G n, heads, t or 1, d); k and v (G n, heads, t, d) are of new tokens."""
        k, v = (x.unflatten(0, self.tokens.shape[:2]) for x in (k, v))
        for g, cache in enumerate(self.caches):
            if cache is not None:
                cache.keys[block][:, :, self.start : self.end] = k[g]
                cache.values[block][:, :, self.start : self.end] = v[g]
        t = q.shape[2]
        if not self.start:
            causal = t > 1
            return F.scaled_dot_product_attention(
                q, k.flatten(0, 1), v.flatten(0, 1), None, 0.0, causal
            )
        mask = None
        if t > 1:  # new tokens see all old ones, and each other as they come
            mask = torch.ones(t, self.end, dtype=torch.bool, device=q.device).tril(self.start)
        parts = []
        for cache, own in zip(self.caches, q.chunk(len(self.caches)), strict=True):
            assert cache is not None
            keys, values = (x[block][:, :, : self.end] for x in (cache.keys, cache.values))
            parts.append(F.scaled_dot_product_attention(own, keys, values, mask))
        return torch.cat(parts)


class WindowWalker:
    """n canvases whose codes are predicted step by step, in the order of `layout.plan_steps`."""

    def __init__(
        self,
        network: GPT,
        prefix: WindowPrefix,
        layout: WindowLayout,
        n_symbols: int | None = None,
        keeps_grid: bool = False,
    ):
        """n_symbols: K, rows of the network's table that are codes; all when None.

        keeps_grid: as `WindowPrefix.place_tokens` has it.
        """
        self.network, self.prefix, self.layout = network, prefix, layout
        self.n_symbols = n_symbols or network.head.out_features
        self.device = network.positions.device
        self.n = len(prefix.parts[0])
        self.canvas = torch.zeros(self.n, *layout.canvas, dtype=torch.int64, device=self.device)
        self.n_front = prefix.count_tokens(layout)
        places = prefix.place_tokens(layout, keeps_grid).to(self.device)
        self.positions = network.positions.detach()[places[:-1]]  # nothing follows the last
        self.uses = Counter(map(layout.find_window, layout.list_places()))
        self.longest = {
            layout.find_window(p): layout.count_previous(p) for p in layout.list_places()
        }
        self.caches: dict[Place, WindowCache] = {}
        self.n_bytes = 0

    @torch.no_grad()
    def predict(self, places: Sequence[Place]) -> Tensor:
        """(P, n, K): logits at places of one step, each asked for once."""
        logits = torch.empty(0)
        for indices, pieces in self.split_batches(places):
            found = evaluate_pieces(self.network, pieces, self.positions)[..., : self.n_symbols]
            if not logits.numel():
                logits = found.new_empty(len(places), *found.shape[1:])
            logits[indices] = found
        for place in places:
            self.release_window(self.layout.find_window(place))
        return logits

    def set_symbols(self, places: Sequence[Place], symbols: Tensor) -> None:
        """symbols (P, n) int64: what stands there."""
        rows, columns = (list(side) for side in zip(*places, strict=True))
        self.canvas[:, rows, columns] = symbols.T.to(self.canvas)

    def split_batches(self, places: Sequence[Place]) -> Iterator[tuple[list[int], list[Piece]]]:
        """Indices of places, and the pieces of these in the same order, MAX_TOKENS at a time."""

        def measure(index: int) -> tuple[int, int]:
            place = places[index]
            cache = self.find_cache(self.layout.find_window(place))
            start = cache.length if cache is not None else 0
            return start, self.n_front + self.layout.count_previous(place)

        indices: list[int] = []
        pieces: list[Piece] = []
        n_tokens = 0
        for (start, end), alike in groupby(sorted(range(len(places)), key=measure), measure):
            group, t = [*alike], self.n * (end - start)
            while group:
                if pieces and n_tokens + t > MAX_TOKENS:
                    yield indices, pieces
                    indices, pieces, n_tokens = [], [], 0
                count = max(1, (MAX_TOKENS - n_tokens) // t)
                part, group = group[:count], group[count:]
                pieces.append(self.make_piece([places[i] for i in part], start, end))
                indices += part
                n_tokens += pieces[-1].n_tokens
        yield indices, pieces

    def make_piece(self, places: list[Place], start: int, end: int) -> Piece:
        windows = [self.layout.find_window(place) for place in places]
        tokens = torch.stack([self.read_tokens(window, start, end) for window in windows])
        caches = [self.find_cache(window) for window in windows]
        for cache in caches:
            if cache is not None:
                cache.length = end
        return Piece(tokens, caches, start, end)

    def read_tokens(self, window: Place, start: int, end: int) -> Tensor:
        """(n, t): tokens start .. end - 1 of a window, those in front included."""
        (top, left), (h, w), c = window, (self.layout.height, self.layout.width), self.n_front
        rows = min(h, -(-(end - c) // w))
        codes = self.canvas[:, top : top + rows, left : left + w].flatten(1)
        if start >= c:
            return codes[:, start - c : end - c]
        front = self.prefix.cut_tokens(self.layout, window)
        return torch.cat([front[:, start:], codes[:, : end - c]], dim=1)

    def find_cache(self, window: Place) -> WindowCache | None:
        """The window's; None where it is not asked for again, or no memory is left for it."""
        if window not in self.caches and self.uses[window] > 1:
            capacity = self.n_front + self.longest[window]
            D, size = self.network.config.width, self.positions.element_size()
            n_bytes = 2 * len(self.network.blocks) * self.n * capacity * D * size
            if self.n_bytes + n_bytes <= MAX_CACHE_BYTES:
                self.caches[window] = WindowCache(self.network, self.n, capacity)
                self.n_bytes += n_bytes
        return self.caches.get(window)

    def release_window(self, window: Place) -> None:
        """One code of it has been predicted; after the last its keys and values go."""
        self.uses[window] -= 1
        if not self.uses[window] and (cache := self.caches.pop(window, None)):
            self.n_bytes -= cache.n_bytes


def evaluate_pieces(network: GPT, pieces: list[Piece], positions: Tensor) -> Tensor:
    """(G in all, n, symbols): logits of what follows each window's last token.

    positions: (T, D), the network's for the tokens of a window.
    """
    x = torch.cat(
        [(network.tokens(p.tokens) + positions[p.start : p.end]).flatten(0, 2) for p in pieces]
    )[None]  # (1, tokens, D): all tokens of all windows
    sizes, blocks = [p.n_tokens for p in pieces], list[Any](network.blocks)
    for b, block in enumerate(blocks):
        is_last = b == len(blocks) - 1
        q, k, v = (part[0].split(sizes, dim=1) for part in block.project_qkv(x))
        parts = []
        for p, *qkv in zip(pieces, q, k, v, strict=True):
            own_q, own_k, own_v = map(p.split_heads, qkv)
            y = p.attend(b, own_q[:, :, -1:] if is_last else own_q, own_k, own_v)
            parts.append(y.transpose(0, 1).flatten(1, 2))  # (heads, tokens, d)
        if is_last:
            x = select_last(x[0], pieces)[None]
        x = block.add_residuals(x, torch.cat(parts, dim=1)[None])
    n = pieces[0].tokens.shape[1]
    return network.head(network.norm(x[0])).unflatten(0, (-1, n))


def select_last(x: Tensor, pieces: list[Piece]) -> Tensor:
    """Of x (tokens, D) the last token of each window and sample."""
    parts = x.split([p.n_tokens for p in pieces])
    return torch.cat(
        [
            part.unflatten(0, (-1, p.end - p.start))[:, -1]
            for p, part in zip(pieces, parts, strict=True)
        ]
    )
