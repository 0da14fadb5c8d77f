"""Decoding: greedy search, beam search and sampling, with a key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import torch
from torch import Tensor

from smalti.core.canvas import Canvas
from smalti.core.config import check_fields
from smalti.core.ranges import Range, Width
from smalti.layers.symbol_sampling import Ancestral, check_finite, draw_symbols, raise_not_finite
from smalti.translation.kv_cache import DecoderCache, make_cache
from smalti.translation.tokenizer import BOS, EOS, PAD
from smalti.translation.transformer import Transformer


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


def beam_search(
    network: Transformer, source: Tensor, beam: Beam = Beam()
) -> list[list[Hypothesis]]:
    """Search hypotheses for each row of source symbols (n, S): 1 to width of them, best first.

    A row is done when it has `width` hypotheses, or at 2 S + 20 symbols. The result of a row
    depends on the other rows only by rounding.
    """
    beams = BeamSearch(network, source, beam)
    while len(beams.active_rows):
        beams.step()
    return [sorted(found, key=lambda one: -one.score) for found in beams.hypotheses]


class BeamSearch:
    """State of a beam search: k cache rows for each active sentence.

    Arguments as in `beam_search`.
    """

    @torch.no_grad()
    def __init__(self, network: Transformer, source: Tensor, beam: Beam):
        self.beam, n, self.device = beam, len(source), source.device
        self.cache = make_cache(network, source)
        self.active_rows = np.arange(n)  # the m sentences still being decoded
        self.hypotheses: list[list[Hypothesis]] = [[] for _ in range(n)]
        self.max_lengths = compute_max_lengths(source).clamp(max=beam.max_length).cpu().numpy()
        self.select_rows(np.arange(n).repeat(beam.width))
        self.prefixes = np.full((n, beam.width, 1), BOS)  # (m, k, t)
        self.scores = np.full((n, beam.width), -np.inf)  # (m, k)
        self.scores[:, 0] = 0

    @torch.no_grad()
    def step(self) -> None:
        """Extend every prefix by one symbol."""
        k, length = self.beam.width, self.prefixes.shape[2]
        symbols = torch.from_numpy(self.prefixes[:, :, -1].ravel()).to(self.device)
        # each (m, 2k): at least k do not end
        best, parents, symbols = self.cache.rank_next(symbols, self.scores, 2 * k)
        if not (best[:, 0] > -np.inf).all():
            raise_not_finite(length)
        ends = symbols == EOS
        self.collect_finished(best[:, :k], parents[:, :k], ends[:, :k])
        surviving = ends.argsort(axis=1, kind="stable")[:, :k]  # the best that do not end
        at = np.arange(len(best))[:, None], surviving
        self.scores, parents = best[at], parents[at]
        before = self.prefixes[at[0], parents]
        self.prefixes = np.concatenate([before, symbols[at][:, :, None]], axis=2)
        self.drop_finished(parents)

    def list_best(self) -> list[list[int]]:
        """The symbols of each sentence: its likeliest prefix, or once done its best hypothesis."""
        leading = dict(
            zip(self.active_rows.tolist(), self.prefixes[:, 0, 1:].tolist(), strict=True)
        )
        return [
            leading[row] if row in leading else max(found, key=lambda one: one.score).symbols
            for row, found in enumerate(self.hypotheses)
        ]

    def collect_finished(self, best: np.ndarray, parents: np.ndarray, ends: np.ndarray) -> None:
        """Add the prefixes that end with </s> to the hypotheses."""
        for i, j in np.argwhere(ends & (best > -np.inf)).tolist():
            self.add_hypothesis(i, self.prefixes[i, parents[i, j]], float(best[i, j]))

    def add_hypothesis(self, i: int, prefix: np.ndarray, total: float) -> None:
        """Add a prefix with <s> (t,) to the hypotheses of the i-th active sentence."""
        score = total / len(prefix) ** self.beam.length_penalty
        self.hypotheses[self.active_rows[i]].append(Hypothesis(prefix[1:].tolist(), score))

    def drop_finished(self, parents: np.ndarray) -> None:
        """Drop the finished sentences. One at its length limit keeps its likeliest prefix."""
        length = self.prefixes.shape[2] - 1
        at_limit = self.max_lengths[self.active_rows] <= length
        for i in at_limit.nonzero()[0].tolist():
            if not self.hypotheses[self.active_rows[i]]:
                self.add_hypothesis(i, self.prefixes[i, 0], float(self.scores[i, 0]))
        counts = np.array([len(self.hypotheses[row]) for row in self.active_rows])
        kept = (~at_limit & (counts < self.beam.width)).nonzero()[0]
        self.active_rows = self.active_rows[kept]
        self.prefixes, self.scores = self.prefixes[kept], self.scores[kept]
        self.select_rows((kept[:, None] * self.beam.width + parents[kept]).ravel())

    def select_rows(self, rows: np.ndarray) -> None:
        self.cache.select(torch.from_numpy(rows).to(self.device))


def draw_translations(
    network: Transformer, source: Tensor, sampler: Ancestral, draw_uniform: Callable[[], Tensor]
) -> Iterator[Canvas]:
    """Sample translations of source symbols (n, S); yields (n, t), one symbol longer each time.

    draw_uniform: returns (n,) numbers in [0, 1), called once per symbol. Rows are padded with
    <pad> after </s>.
    """
    with torch.no_grad():
        cache = make_cache(network, source)
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


def compute_next_logits(cache: DecoderCache, symbols: Tensor) -> Tensor:
    """Logits (n, K) float32 after these symbols (n,); <pad>, <unk> and <s> get -inf."""
    logits = cache.append(symbols).float()
    logits[:, :EOS] = -torch.inf
    return logits


def compute_max_lengths(source: Tensor) -> Tensor:
    """Maximum length of each translation: (n,) from source symbols (n, S)."""
    return 2 * (source != PAD).sum(1) + 20
