"""How well a translator predicts each token of a reference after the true ones before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.data.corpora import SentencePair
from smalti.data.sentence_pairs import SentencePairs, join_sentences
from smalti.layers.eval_mode import eval_mode
from smalti.translation import Translator
from smalti.translation.tokenizer import BOS, PAD

MAX_TOKENS = 4096
"""Tokens of a batch, with padding."""


class TokenScore(NamedTuple):
    """Averages over all tokens of the references, each with </s>, without padding."""

    accuracy: float  # share of the tokens that are the likeliest
    nats: float  # cross-entropy of a token, without label smoothing
    n_tokens: int


@torch.no_grad()
def score_tokens(
    model: Translator, pairs: Sequence[SentencePair], on_progress: OnProgress = ignore_event
) -> TokenScore:
    """Score the references with the true previous tokens fed in.

    That is easier than translating, where a model continues from its own mistakes.
    """
    sentences = SentencePairs(
        join_sentences(model.source_tokenizer.encode([pair.source for pair in pairs])),
        join_sentences(model.target_tokenizer.encode([pair.target for pair in pairs])),
        "pairs",
    )
    correct, nats, n_tokens, done = 0, 0.0, 0, 0
    with eval_mode(model):
        for rows in sentences.split_indices(MAX_TOKENS):
            batch = sentences.make_batch(rows, model.device)
            assert batch.pairs is not None
            source, gold = batch.pairs
            logits = model.network(source, F.pad(gold[:, :-1], (1, 0), value=BOS)).float()
            real = gold != PAD  # (B, T)
            correct += int(((logits.argmax(-1) == gold) & real).sum())
            nats += float(F.cross_entropy(logits[real], gold[real], reduction="sum"))
            n_tokens += int(real.sum())
            done += len(rows)
            on_progress(Progress("scoring tokens", done, len(pairs)))
    return TokenScore(correct / n_tokens, nats / n_tokens, n_tokens)
