"""The sentence pairs that a translator is evaluated on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from smalti.core.errors import UserError, shorten
from smalti.data.corpora import SentencePair, read_pairs
from smalti.evaluation.plan import Split
from smalti.evaluation.text.held_out_pairs import HeldOutPairs
from smalti.recipes import find_any_recipe
from smalti.recipes.corpus_recipe import CorpusRecipe
from smalti.recipes.origin import read_corpus_origin
from smalti.tasks.reference import find_run
from smalti.training import read_run
from smalti.training.provenance import find_change
from smalti.translation import Translator
from smalti.translation.vocabularies import Vocabularies

HOW = "held-out sentence pairs (--data test.jsonl, or --data test.en test.zh)"


def find_sentence_pairs(
    model: object, loaded: Translator, data: object, memory: object, split: Split | None
) -> HeldOutPairs:
    """The pairs at `data`, or the pairs themselves, or those that the model's run held out.

    model: what it was loaded from.  memory: pairs of a translation memory; a run's training pairs
    by default.  split: of the run.
    """
    if isinstance(data, HeldOutPairs):
        return data
    languages = loaded.config.source_language, loaded.config.target_language
    train = [] if memory is None else read_any_pairs(wrap_path(memory), languages, "memory")[0]
    if data is not None:
        pairs, name = read_any_pairs(wrap_path(data), languages, "data")
        return HeldOutPairs(pairs, train, name, split or "test")
    run = find_run(model)
    if run is None:
        raise UserError(f"data are missing: its held-out pairs are unknown; give {HOW}")
    found = read_run_pairs(run, loaded, split)
    return replace(found, train=train) if train else found


def read_run_pairs(run: Path, loaded: Translator, split: Split | None) -> HeldOutPairs:
    """The pairs that a run held out, and its training pairs. UserError if its corpus changed."""
    origin = read_corpus_origin(run)
    splits = origin.read_splits()
    recipe = find_any_recipe(origin.recipe)
    assert isinstance(recipe, CorpusRecipe), "read_corpus_origin refuses other runs"
    recipe = origin.change_recipe(recipe)
    vocabularies = Vocabularies(loaded.source_tokenizer, loaded.target_tokenizer)
    text = recipe.make_splits(splits.train, splits.valid, origin.languages, vocabularies)
    if change := find_change(read_run(run).data, train=text.train, valid=text.valid):
        raise UserError(
            f"{change}, so some that are held out now may have been trained on; put them back, or "
            "give other pairs by --data"
        )
    name = " ".join(Path(path).name for path in origin.corpus)
    if split == "test" and not splits.test:
        raise UserError(f"{name} has no test split; use split valid")
    chosen: Split = split or ("test" if splits.test else "valid")
    return HeldOutPairs(
        splits.test if chosen == "test" else splits.valid, splits.train, name, chosen
    )


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
