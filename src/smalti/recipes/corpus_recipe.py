"""A recipe of a translator: how a corpus becomes datasets, the model for them, and training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from smalti.core.changes import change_config
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.sentence_pairs import TextPairs
from smalti.recipes.recipe import NO_CHANGES
from smalti.training.config import Training
from smalti.translation.model import TranslatorConfig
from smalti.translation.vocabularies import (
    Vocabularies,
    VocabularyConfig,
    learn_vocabularies,
    make_text_pairs,
)

DEFAULT_LANGUAGES: LanguagePair = ("en", "zh")
SUBWORDS = VocabularyConfig()


class TextSplits(NamedTuple):
    """Sentence pairs to train on, and held-out ones."""

    train: TextPairs
    valid: TextPairs


@dataclass(frozen=True)
class CorpusRecipe:
    """A complete run of a translator, for `smalti train NAME --corpus ...`.

    The name, the summary and the training time are in the table; `find_recipe` fills them in.
    """

    make_config: Callable[[TextPairs, LanguagePair], TranslatorConfig]
    """Makes the model's config from the training pairs: their number and vocabularies."""
    training: Training
    vocabulary: VocabularyConfig = SUBWORDS
    name: str = ""
    summary: str = ""
    minutes: float = 10.0
    """Training time if neither steps nor minutes are given."""

    def change(
        self,
        training: Mapping[str, Any] = NO_CHANGES,
        model: Mapping[str, Any] = NO_CHANGES,
        vocabulary: Mapping[str, Any] = NO_CHANGES,
    ) -> CorpusRecipe:
        """Return a recipe with changed fields of the training, the model and the vocabularies.

        Fields are given by name: training={"learning_rate": 1e-3},
        model={"network.encoder_layers": 4}, vocabulary={"source_size": 2000}.
        """
        changed = replace(
            self,
            training=change_config(self.training, training, "training"),
            vocabulary=change_config(self.vocabulary, vocabulary, "vocabulary"),
        )
        if not model:
            return changed
        make_config = partial(make_changed_config, self.make_config, dict(model))
        return replace(changed, make_config=make_config)

    def make_splits(
        self,
        train: Sequence[SentencePair],
        valid: Sequence[SentencePair],
        languages: LanguagePair,
        vocabularies: Vocabularies | None = None,
    ) -> TextSplits:
        """Make datasets; their vocabularies are learned from the training pairs if not given."""
        config = self.vocabulary
        vocabularies = vocabularies or learn_vocabularies(train, config, languages)
        dropout = config.dropout if config.kind == "subwords" else 0.0
        longest = config.max_symbols
        return TextSplits(
            make_text_pairs(train, vocabularies, "corpus/train", longest, dropout),
            make_text_pairs(valid, vocabularies, "corpus/valid", longest),
        )


def make_changed_config(
    make_config: Callable[[TextPairs, LanguagePair], TranslatorConfig],
    changes: Mapping[str, Any],
    pairs: TextPairs,
    languages: LanguagePair,
) -> TranslatorConfig:
    return change_config(make_config(pairs, languages), changes, "model", "model.")
