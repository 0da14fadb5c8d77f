"""Recipes of translators: for your corpus, and the article's."""

from __future__ import annotations

from smalti.data.corpora.pair import LanguagePair
from smalti.data.sentence_pairs import TextPairs
from smalti.recipes.corpus_recipe import CorpusRecipe
from smalti.training.config import Training
from smalti.translation.decoding import Beam
from smalti.translation.model import TranslatorConfig
from smalti.translation.transformer import TransformerConfig
from smalti.translation.vocabularies import VocabularyConfig, choose_dropout


def translate(pairs: TextPairs, languages: LanguagePair) -> TranslatorConfig:
    """A deep encoder and a shallow decoder, which decodes fast (arXiv:2006.10369); the dropout fits
    the number of pairs.
    """
    return make_translator(pairs, languages, dropout=choose_dropout(len(pairs)))


def article_translator(pairs: TextPairs, languages: LanguagePair) -> TranslatorConfig:
    """As in SingleZombie/DL-Demos: post-norm, 6 + 6 layers, nothing shared, no smoothing.

    Two differences: a source does not begin with <s>, and the initial weights are this library's
    (docs/numbers.md says why those of the article's comment would not train).
    """
    return make_translator(
        pairs,
        languages,
        label_smoothing=0.0,
        adam_beta2=0.999,
        width=512,
        heads=8,
        decoder_layers=6,
        feed_forward_width=2048,
        dropout=0.2,
        norm="post",
        tied_embeddings=False,
    )


def make_translator(
    pairs: TextPairs,
    languages: LanguagePair,
    label_smoothing: float = 0.1,
    adam_beta2: float = 0.98,
    **network: object,
) -> TranslatorConfig:
    """A translator with the vocabularies of the pairs; other options are the network's."""
    models = [pairs.source_tokenizer.model, pairs.target_tokenizer.model]
    sizes = pairs.source_tokenizer.size, pairs.target_tokenizer.size
    joint = {"tied_source": models[0] == models[1]}
    return TranslatorConfig(
        TransformerConfig(*sizes, **{**joint, **network}),  # pyright: ignore[reportArgumentType]
        len(models[0]),
        len(models[1]),
        *languages,
        label_smoothing=label_smoothing,
        adam_beta2=adam_beta2,
        sampler=Beam(),
    )


TRANSLATE = CorpusRecipe(
    translate,
    Training(
        batch_size=3072,
        learning_rate=2e-3,
        warmup=400,
        weight_decay=0.01,
        ema=0.998,
        save_every=500,
    ),
)
ARTICLE_TRANSLATOR = CorpusRecipe(
    article_translator,
    Training(
        batch_size=64 * 25,  # 64 sentences of at most 50 words
        learning_rate=1e-4,
        warmup=0,
        schedule="constant",
        weight_decay=0.0,
        save_every=500,
    ),
    VocabularyConfig(kind="words", dropout=0.0, max_symbols=50),
)
