"""Translation: cleaning of sentence pairs, sub-words, the Transformer, decoding."""

from smalti.translation.cleaning import Pair, clean, fold, fold_hash, make_steps, read_held_out
from smalti.translation.decoding import Beam, Hypothesis, search
from smalti.translation.files import translate_catalog, translate_file, translate_lines
from smalti.translation.model import Translator, TranslatorConfig
from smalti.translation.texts import Translation, find_translations, translate
from smalti.translation.transformer import Transformer, TransformerConfig
from smalti.translation.vocabulary import Subwords, train_subwords

__all__ = [
    "Beam",
    "Hypothesis",
    "Pair",
    "Subwords",
    "Transformer",
    "TransformerConfig",
    "Translation",
    "Translator",
    "TranslatorConfig",
    "clean",
    "find_translations",
    "fold",
    "fold_hash",
    "make_steps",
    "read_held_out",
    "search",
    "train_subwords",
    "translate",
    "translate_catalog",
    "translate_file",
    "translate_lines",
]
