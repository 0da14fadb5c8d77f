"""Decoding: greedy search, beam search and sampling, with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from smalti.core.canvas import Canvas
from smalti.core.config import check_fields
from smalti.core.ranges import Range, Width
from smalti.layers.attention import attend
from smalti.layers.symbol_sampling import Ancestral, check_finite, draw_symbols
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK
from smalti.translation.transformer import Transformer, join_heads


class Hypothesis(NamedTuple):
    """A translation found by the search."""

    symbols: list[int]  # without <s> and </s>
    score: float  # log-probability divided by the length penalty


@dataclass(frozen=True)
@check_fields
class Beam:
    """Beam search. Width 1 is greedy."""

    width: Annotated[int, Range(1, 1_024)] = 4
    """Beam size. 1 is greedy search."""
    length_penalty: Annotated[float, Range(-100, 100)] = 1.0
    """Exponent of the length normalization. Log-probabilities are divided by length to this power;
    0 favors short translations."""
    max_length: Width = 256
    """Maximum number of symbols of a translation."""


class KVCache:
    """Cached keys and values of every decoder layer, for n rows.

    network: in eval mode. source: (n, S) int64, ending in </s> and padded with <pad>.
    """

    def __init__(self, network: Transformer, source: Tensor):
        self.network = network
        self.length = 0
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
            keys, values = self.cross_cache[k]
            x = layer.residuals[1](
                x, lambda y, c=layer.cross, k=keys, v=values: c(y, k, v, self.mask)
            )
            x = layer.residuals[2](x, layer.feed_forward)
        self.length += 1
        return network.out(network.decoder_norm(x)[:, 0])

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


def beam_search(
    network: Transformer, source: Tensor, beam: Beam = Beam()
) -> list[list[Hypothesis]]:
    """Search hypotheses for each row of source symbols (n, S): 1 to width of them, best first.

    A row is done when it has `width` hypotheses, or at 2 S + 20 symbols. The result of a row
    depends on the other rows only by rounding.
    """
    beams = BeamSearch(network, source, beam)
    while beams.active_rows:
        beams.step()
    return [sorted(found, key=lambda one: -one.score) for found in beams.hypotheses]


class BeamSearch:
    """State of a beam search: k cache rows for each active sentence.

    Arguments as in `beam_search`.
    """

    @torch.no_grad()
    def __init__(self, network: Transformer, source: Tensor, beam: Beam):
        self.beam, n = beam, len(source)
        self.cache = KVCache(network, source)
        self.active_rows = list(range(n))  # the m sentences still being decoded
        self.hypotheses: list[list[Hypothesis]] = [[] for _ in self.active_rows]
        self.max_lengths = compute_max_lengths(source).clamp(max=beam.max_length).tolist()
        self.cache.select(torch.arange(n, device=source.device).repeat_interleave(beam.width))
        self.prefixes = source.new_full((n, beam.width, 1), BOS)  # (m, k, t)
        self.scores = torch.full((n, beam.width), -torch.inf, device=source.device)  # (m, k)
        self.scores[:, 0] = 0

    @torch.no_grad()
    def step(self) -> None:
        """Extend every prefix by one symbol."""
        m, k, t = self.prefixes.shape
        logits = compute_next_logits(self.cache, self.prefixes[:, :, -1].flatten())
        totals = self.scores[:, :, None] + logits.log_softmax(-1).unflatten(0, (m, k))
        best, indices = totals.flatten(1).topk(2 * k)  # (m, 2k): at least k do not end
        parents, symbols = indices // totals.shape[2], indices % totals.shape[2]
        ends = symbols == EOS
        self.collect_finished(best[:, :k], parents[:, :k], ends[:, :k])
        surviving = ends.int().argsort(stable=True)[:, :k]  # the best that do not end
        self.scores, parents = best.gather(1, surviving), parents.gather(1, surviving)
        before = self.prefixes.gather(1, parents[:, :, None].expand(m, k, t))
        self.prefixes = torch.cat([before, symbols.gather(1, surviving)[:, :, None]], dim=2)
        self.drop_finished(parents)

    def list_best(self) -> list[list[int]]:
        """The symbols of each sentence: its likeliest prefix, or once done its best hypothesis."""
        leading = dict(zip(self.active_rows, self.prefixes[:, 0, 1:].tolist(), strict=True))
        return [
            leading[row] if row in leading else max(found, key=lambda one: one.score).symbols
            for row, found in enumerate(self.hypotheses)
        ]

    def collect_finished(self, best: Tensor, parents: Tensor, ends: Tensor) -> None:
        """Add the prefixes that end with </s> to the hypotheses."""
        if not ends.any():
            return
        ends = ends & best.isfinite()
        for (i, j), total in zip(ends.nonzero().tolist(), best[ends].tolist(), strict=True):
            self.add_hypothesis(
                self.active_rows[i], self.prefixes[i, parents[i, j], 1:].tolist(), total
            )

    def add_hypothesis(self, row: int, symbols: list[int], total: float) -> None:
        score = total / (len(symbols) + 1) ** self.beam.length_penalty
        self.hypotheses[row].append(Hypothesis(symbols, score))

    def drop_finished(self, parents: Tensor) -> None:
        """Drop the finished sentences. One at its length limit keeps its likeliest prefix."""
        length = self.prefixes.shape[2] - 1
        for i, row in enumerate(self.active_rows):
            if length >= self.max_lengths[row] and not self.hypotheses[row]:
                self.add_hypothesis(row, self.prefixes[i, 0, 1:].tolist(), float(self.scores[i, 0]))
        active = [
            i
            for i, row in enumerate(self.active_rows)
            if len(self.hypotheses[row]) < self.beam.width and length < self.max_lengths[row]
        ]
        self.active_rows = [self.active_rows[i] for i in active]
        kept = torch.tensor(active, dtype=torch.int64, device=parents.device)
        self.prefixes, self.scores = self.prefixes[kept], self.scores[kept]
        self.cache.select((kept[:, None] * self.beam.width + parents[kept]).flatten())


def draw_translations(
    network: Transformer, source: Tensor, sampler: Ancestral, draw_uniform: Callable[[], Tensor]
) -> Iterator[Canvas]:
    """Sample translations of source symbols (n, S); yields (n, t), one symbol longer each time.

    draw_uniform: returns (n,) numbers in [0, 1), called once per symbol. Rows are padded with
    <pad> after </s>.
    """
    with torch.no_grad():
        cache = KVCache(network, source)
    prefixes = source.new_full((len(source), 1), BOS)
    done = torch.zeros_like(prefixes[:, 0], dtype=torch.bool)
    max_lengths = compute_max_lengths(source)
    while not done.all():
        with torch.no_grad():
            logits = compute_next_logits(cache, prefixes[:, -1])
        check_finite(logits[:, EOS:], prefixes.shape[1])
        symbols = draw_symbols(logits, draw_uniform().to(logits.device), sampler)
        prefixes = torch.cat([prefixes, symbols.masked_fill(done, PAD)[:, None]], dim=1)
        done = done | (symbols == EOS) | (prefixes.shape[1] > max_lengths)
        yield Canvas(prefixes[:, 1:], prefixes.shape[1] - 1, int(max_lengths.max()), "symbol")


def compute_next_logits(cache: KVCache, symbols: Tensor) -> Tensor:
    """Logits (n, K) float32 after these symbols (n,); <pad>, <unk> and <s> get -inf."""
    logits = cache.append(symbols).float()
    logits[:, [PAD, UNK, BOS]] = -torch.inf
    return logits


def compute_max_lengths(source: Tensor) -> Tensor:
    """Maximum length of each translation: (n,) from source symbols (n, S)."""
    return 2 * (source != PAD).sum(1) + 20
