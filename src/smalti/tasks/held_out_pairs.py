"""The sentence pairs that a translator is evaluated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from smalti.core.errors import UserError, shorten
from smalti.data.corpora import SentencePair, read_pairs
from smalti.evaluation.text.held_out_pairs import HeldOutPairs
from smalti.translation import Translator

HOW = "held-out sentence pairs (--data test.jsonl, or --data test.en test.zh)"


def find_sentence_pairs(model: Translator, data: object, memory: object) -> HeldOutPairs:
    """The pairs at `data`, or the pairs themselves, with those of a translation memory.

    model: the loaded translator; its languages say which is which in files.
    """
    if isinstance(data, HeldOutPairs):
        return data
    if data is None:
        raise UserError(f"data are missing: its held-out pairs are unknown; give {HOW}")
    languages = model.config.source_language, model.config.target_language
    pairs, name = read_any_pairs(wrap_path(data), languages, "data")
    train = [] if memory is None else read_any_pairs(wrap_path(memory), languages, "memory")[0]
    return HeldOutPairs(pairs, train, name)


def wrap_path(data: object) -> object:
    return [data] if isinstance(data, str | Path) else data


def read_any_pairs(
    data: object, languages: tuple[str, str], argument: str
) -> tuple[Sequence[SentencePair], str]:
    """Sentence pairs, and their name: of a path, of several paths, or given as pairs."""
    if not isinstance(data, Iterable):
        raise UserError(f"{argument} is {shorten(data)}; give {HOW}")
    items = [*data]
    if items and all(isinstance(item, str | Path) for item in items):
        return read_pairs(*items, languages=languages), " ".join(Path(p).name for p in items)
    if not all(isinstance(item, tuple) and 2 <= len(item) <= 4 for item in items):
        raise UserError(f"{argument} is {shorten(data)}; give files, or (source, target) pairs")
    return [SentencePair(*item) for item in items], "sentence pairs"
