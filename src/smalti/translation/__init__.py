"""Translation: cleaning of sentence pairs, sub-words, the Transformer, decoding."""

from smalti.translation.cleaning import Pair, clean, fold, fold_hash, make_steps
from smalti.translation.decoding import Beam, Hypothesis, search, translate
from smalti.translation.transformer import Transformer, TransformerConfig
from smalti.translation.vocabulary import Subwords, train_subwords

__all__ = [
    "Beam",
    "Hypothesis",
    "Pair",
    "Subwords",
    "Transformer",
    "TransformerConfig",
    "clean",
    "fold",
    "fold_hash",
    "make_steps",
    "search",
    "train_subwords",
    "translate",
]
