"""Vocabularies learned from a corpus: their options, and defaults that fit its size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Annotated, Literal, NamedTuple

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.ranges import FractionBelowOne, Range, Width
from smalti.data.corpora.languages import find_language
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.sentence_pairs import TextPairs
from smalti.translation.tokenizer import Tokenizer, train_tokenizer
from smalti.translation.words import learn_words

VocabularySize = Annotated[int, Range(8, 200_000)]
WORDS = 10_000
"""Default size of a vocabulary of words."""
COVERED = Range(0.98, 0.9999)
"""Share of a text's characters that get a symbol: the rarest are mostly accidents, and
sentencepiece leaves out 2% at most."""


@dataclass(frozen=True)
@check_fields
class VocabularyConfig:
    """How sentences become symbols."""

    kind: Literal["subwords", "words"] = "subwords"
    """Whether symbols are subwords or whole words. Words are lower-cased, and Chinese ones cut by
    jieba, as in the article."""
    source_size: VocabularySize | None = None
    """Source vocabulary size (default: by the corpus)."""
    target_size: VocabularySize | None = None
    """Target vocabulary size (default: by the corpus)."""
    joint: bool = False
    """Learn one vocabulary for both languages. Its embedding is shared; its size is the source's.
    Subwords only."""
    dropout: FractionBelowOne = 0.1
    """BPE-dropout: how often a merge is skipped. Subwords only; 0 for words."""
    max_symbols: Width = 128
    """Longest sentence to train on, in symbols."""

    def __post_init__(self) -> None:
        if self.joint and self.kind == "words":
            raise UserError("a joint vocabulary is one of subwords; leave joint or words out")
        if self.joint and self.target_size not in (None, self.source_size):
            raise UserError(
                f"a joint vocabulary has one size, but source_size is {self.source_size} and "
                f"target_size {self.target_size}; leave target_size out"
            )


FEWEST_MORE = 12
"""Symbols that a vocabulary has besides characters, at least."""


class Vocabularies(NamedTuple):
    """The tokenizers of both languages."""

    source: Tokenizer
    target: Tokenizer


def learn_vocabularies(
    pairs: Sequence[SentencePair], config: VocabularyConfig, languages: LanguagePair
) -> Vocabularies:
    """Learn the vocabularies of training pairs. The result depends on nothing else.

    UserError for a size that has no room for the characters of the text.
    """
    sources, targets = [pair.source for pair in pairs], [pair.target for pair in pairs]
    if config.joint:
        joint = learn_side([*sources, *targets], config.source_size, *languages)
        return Vocabularies(joint, joint)
    learn = learn_side if config.kind == "subwords" else learn_word_side
    return Vocabularies(
        learn(sources, config.source_size, languages[0]),
        learn(targets, config.target_size, languages[1]),
    )


def learn_word_side(text: Sequence[str], size: int | None, code: str) -> Tokenizer:
    cut = "jieba" if find_language(code).code == "zh" else "basic-english"
    return learn_words(text, size or WORDS, cut)


def learn_side(text: Sequence[str], size: int | None, *codes: str) -> Tokenizer:
    """Learn subwords of text in these languages; single characters are at most half of them."""
    counts = Counter(chain.from_iterable(text))
    fewest = count_characters(counts, COVERED.low) + FEWEST_MORE
    if size is not None and size < fewest:
        raise UserError(
            f"a vocabulary of {size} symbols has no room for the characters of the text; give "
            f"{fewest} or more"
        )
    size = size or max(choose_subword_size(len(text) // len(codes)), 2 * fewest)
    with_spaces = all(find_language(code).has_spaces for code in codes)
    return train_tokenizer(
        text,
        size,
        character_coverage=choose_coverage(counts, size),
        add_dummy_prefix=with_spaces,
        exact=False,
    )


def count_characters(counts: Counter[str], share: float) -> int:
    """How many characters, the most frequent first, make up this share of a text."""
    total = accumulate(n for _, n in counts.most_common())
    return sum(n < share * counts.total() for n in total) + 1


def choose_coverage(counts: Counter[str], size: int) -> float:
    """Share of a text's characters that the size/2 most frequent ones are, within COVERED."""
    frequent = sum(n for _, n in counts.most_common(size // 2))
    return min(max(frequent / max(1, counts.total()), COVERED.low), COVERED.high)


def choose_subword_size(n_pairs: int) -> int:
    """4,500 for 50,000 pairs, 8,900 for 200,000: rarer subwords are seen too seldom to learn."""
    return min(16_000, max(200, 100 * round(math.sqrt(n_pairs) / 5)))


def choose_dropout(n_pairs: int) -> float:
    """Dropout of the network: the fewer the pairs, the more often each is seen."""
    return 0.3 if n_pairs < 30_000 else 0.2 if n_pairs < 200_000 else 0.1


def make_text_pairs(
    pairs: Sequence[SentencePair],
    vocabularies: Vocabularies,
    name: str,
    max_symbols: int,
    dropout: float = 0.0,
) -> TextPairs:
    """Make a dataset of the pairs whose sides have at most `max_symbols` symbols."""
    source, target = vocabularies
    sides = (
        source.encode([pair.source for pair in pairs]),
        target.encode([pair.target for pair in pairs]),
    )
    kept = [
        pair for pair, s, t in zip(pairs, *sides, strict=True) if max(len(s), len(t)) <= max_symbols
    ]
    return TextPairs(
        [pair.source for pair in kept],
        [pair.target for pair in kept],
        source,
        target,
        name,
        dropout,
    )
