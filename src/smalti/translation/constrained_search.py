"""Beam search for translations in which given words of the source become given terms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smalti.translation.decoding import (
    Beam,
    Hypothesis,
    compute_max_lengths,
    compute_next_logits,
)
from smalti.translation.kv_cache import KVCache
from smalti.translation.tokenizer import BOS, EOS
from smalti.translation.transformer import Transformer

LEAST_ATTENTION = 1e-4
"""Share of attention that any term, and all else, has at least."""

AGAIN = 3
"""Exponent of the share left by words whose term is written: they are not translated again."""


@dataclass(frozen=True)
class Term:
    """A term to write: its place in the source, and the symbols it may be written with."""

    start: int
    end: int
    spellings: Sequence[Sequence[int]]


SplitSymbol = Callable[[int], tuple[tuple[int, ...], tuple[int, ...]] | None]
"""What is written of a symbol that is read as a term's translation, before it and after it: marks
and particles. None for a symbol that translates no word."""


class Prefix(NamedTuple):
    """Part of a translation: its cache row, symbols, score and terms."""

    row: int
    symbols: tuple[int, ...] = ()
    last: int = BOS  # what the network reads next
    score: float = 0.0
    met: frozenset[int] = frozenset()  # terms that it contains or has begun
    due: tuple[int, ...] = ()  # symbols that complete the begun one


@torch.no_grad()
def search_with_terms(
    network: Transformer,
    source: Tensor,
    terms: Sequence[Term],
    beam: Beam,
    split_symbol: SplitSymbol = lambda symbol: None if symbol == EOS else ((), ()),
) -> list[Hypothesis]:
    """Search translations of one sentence that contain all terms, best first.

    Attention says where a term belongs: what the decoder's last layer pays to the term's words is
    the probability that the next symbol translates them (as the copies of arXiv:1704.04368). Then
    the term is written, and read back by the network, or read as the network's own symbol; later
    symbols for its words are read and not written. Prefixes compete with those of as many terms,
    so that every term is written at last (arXiv:1704.07138).

    source: (1, S). May find none within the length limit.
    """
    longest = sum(max(map(len, term.spellings)) for term in terms)
    limit = longest + min(int(compute_max_lengths(source)), beam.max_length)
    cache = KVCache(network, source)
    cache.keeps_attention = True
    prefixes, found = [Prefix(0)], []
    while prefixes and len(found) < beam.width and cache.length < limit:
        cache.select(torch.tensor([one.row for one in prefixes], device=source.device))
        last = torch.tensor([one.last for one in prefixes], device=source.device)
        log_p = compute_next_logits(cache, last).double().log_softmax(-1).cpu().numpy()
        attention = cache.attention.double().cpu().numpy()  # (n, S)
        longer = [
            one._replace(row=row)
            for row, prefix in enumerate(prefixes)
            for one in extend_prefix(
                prefix, log_p[row], attention[row], terms, beam.width, split_symbol
            )
        ]
        prefixes = []
        for count in range(len(terms) + 1):
            best = keep_best([one for one in longer if len(one.met) == count], beam.width)
            prefixes += [one for one in best if one.last != EOS]
            scale = cache.length**beam.length_penalty
            found += [
                Hypothesis(list(one.symbols), one.score / scale) for one in best if one.last == EOS
            ]
    return sorted(found, key=lambda one: -one.score)


def extend_prefix(
    prefix: Prefix,
    log_p: np.ndarray,
    attention: np.ndarray,
    terms: Sequence[Term],
    width: int,
    split_symbol: SplitSymbol,
) -> Iterator[Prefix]:
    """Extend a prefix by a symbol: its likeliest ones, and those that begin missing terms."""
    if prefix.due:
        symbol, *due = prefix.due
        yield prefix._replace(symbols=(*prefix.symbols, symbol), last=symbol, due=tuple(due))
        return
    shares = [float(attention[term.start : term.end].sum()) for term in terms]
    missing = [k for k in range(len(terms)) if k not in prefix.met]
    likely = np.argpartition(-log_p, width)[: width + 1].tolist()

    def weigh(share: float) -> float:
        return prefix.score + float(np.log(max(share, LEAST_ATTENTION)))

    written = sum(shares[k] for k in prefix.met)
    again, rest = weigh(written), weigh((1 - sum(shares) + written) * (1 - written) ** AGAIN)
    own = {symbol: parts for symbol in likely if (parts := split_symbol(symbol))}
    word = max(1 - sum(np.exp(log_p[s]) for s in likely if s not in own), LEAST_ATTENTION)
    for symbol in (s for s in likely if s != EOS or not missing):
        symbols = prefix.symbols if symbol == EOS else (*prefix.symbols, symbol)
        met = prefix.met | find_met(symbols, terms, missing)
        score = (rest if symbol in own else prefix.score) + log_p[symbol]
        yield Prefix(0, symbols, symbol, score, met)
    if prefix.met:
        for symbol, (before, after) in own.items():
            symbols, score = (*prefix.symbols, *before, *after), again + log_p[symbol]
            yield prefix._replace(symbols=symbols, last=symbol, score=score)
    for k in missing:
        score, met = weigh(shares[k]), prefix.met | {k}
        first = np.logaddexp.reduce([log_p[s[0]] for s in terms[k].spellings])
        for spelling in terms[k].spellings:
            spelled, (symbol, *due) = score + log_p[spelling[0]] - first, spelling
            symbols = (*prefix.symbols, symbol)
            yield Prefix(0, symbols, symbol, spelled + np.log(word), met, tuple(due))
            for symbol, (before, after) in own.items():
                symbols = (*prefix.symbols, *before, *spelling, *after)
                yield Prefix(0, symbols, symbol, spelled + log_p[symbol], met)


def find_met(
    symbols: tuple[int, ...], terms: Sequence[Term], missing: Sequence[int]
) -> frozenset[int]:
    """The first missing term that symbols end with, if any."""
    for k in missing:
        if any(symbols[-len(s) :] == tuple(s) for s in terms[k].spellings):
            return frozenset([k])
    return frozenset()


def keep_best(prefixes: Sequence[Prefix], count: int) -> list[Prefix]:
    """The best prefixes that are possible and differ."""
    best: dict[object, Prefix] = {}
    for one in sorted(prefixes, key=lambda one: -one.score):
        if one.score > -np.inf:
            best.setdefault((one.symbols, one.last, one.met, one.due), one)
    return list(best.values())[:count]
