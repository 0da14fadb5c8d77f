"""Machine translation: data cleaning, subword tokenizers, the Transformer, decoding."""

from smalti.data.corpora.held_out import fold_text, hash_folded_text, read_held_out
from smalti.data.corpora.pair import SentencePair
from smalti.translation.alignment import Alignment, align, draw_alignments
from smalti.translation.cleaning import clean_pairs, make_cleaning_steps
from smalti.translation.corpus import CorpusReport, CorpusSplits, prepare_corpus
from smalti.translation.decoding import Beam, Hypothesis, beam_search
from smalti.translation.files import translate_catalog, translate_file, translate_lines
from smalti.translation.glossary import Glossary, read_glossary
from smalti.translation.model import Translator, TranslatorConfig
from smalti.translation.pieces import Translation
from smalti.translation.texts import find_translations, stream_translation, translate
from smalti.translation.tokenizer import SubwordTokenizer, Tokenizer, train_tokenizer
from smalti.translation.transformer import Transformer, TransformerConfig
from smalti.translation.words import (
    LAYOUTS,
    WordTokenizer,
    learn_words,
    read_word_counts,
    write_word_counts,
)

__all__ = [
    "LAYOUTS",
    "Alignment",
    "Beam",
    "CorpusReport",
    "CorpusSplits",
    "Glossary",
    "Hypothesis",
    "SentencePair",
    "SubwordTokenizer",
    "Tokenizer",
    "Transformer",
    "TransformerConfig",
    "Translation",
    "Translator",
    "TranslatorConfig",
    "WordTokenizer",
    "align",
    "beam_search",
    "clean_pairs",
    "draw_alignments",
    "find_translations",
    "fold_text",
    "hash_folded_text",
    "learn_words",
    "make_cleaning_steps",
    "prepare_corpus",
    "read_glossary",
    "read_held_out",
    "read_word_counts",
    "stream_translation",
    "train_tokenizer",
    "translate",
    "translate_catalog",
    "translate_file",
    "translate_lines",
    "write_word_counts",
]
