"""The corpus of a translator's run: read, cleaned, split by document, with its vocabularies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.core.saved_steps import RUN_FILES, find_newest_step
from smalti.data.corpora import guess_languages, read_pairs
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.recipes.corpus_recipe import DEFAULT_LANGUAGES, CorpusRecipe, TextSplits
from smalti.recipes.origin import CorpusOrigin, make_absolute, read_corpus_origin
from smalti.tasks.run_data import OnEvent, RunData
from smalti.training import read_run
from smalti.training.events import Note
from smalti.translation.corpus import CorpusReport, CorpusSplits, prepare_corpus
from smalti.translation.model import Translator, TranslatorConfig
from smalti.translation.vocabularies import Vocabularies

Corpus = Sequence[str | Path] | Sequence[SentencePair]
"""Paths of a corpus, as for `smalti.data.corpora.read_pairs`, or its pairs."""


def prepare_corpus_data(
    recipe: CorpusRecipe,
    corpus: str | Path | Corpus | None,
    languages: LanguagePair | None,
    start: str | None,
    on_event: OnEvent,
) -> RunData:
    """Read the corpus of a new run, and choose the options that depend on it.

    Arguments as in `train`. With `start` the network and the vocabularies are that model's.
    UserError for a
    corpus that cannot be read or has nothing to train on.
    """
    if corpus is None or (not isinstance(corpus, str | Path) and not len(corpus)):
        raise UserError("corpus is missing: give two aligned files, such as --corpus a.en a.zh")
    given = [corpus] if isinstance(corpus, str | Path) else list(corpus)
    paths = [one for one in given if isinstance(one, str | Path)]
    pairs = [one for one in given if isinstance(one, SentencePair)]
    begun = None if start is None else open_start(start)
    languages, source = choose_languages(paths, languages, begun)
    origin = CorpusOrigin(recipe.name, make_absolute(paths), languages, recipe.vocabulary)
    splits = prepare_corpus(pairs or read_pairs(*paths, languages=languages), languages=languages)
    vocabularies = begun and Vocabularies(begun.source_tokenizer, begun.target_tokenizer)
    text = recipe.make_splits(splits.train, splits.valid, languages, vocabularies)
    check_longest(text, splits, recipe.vocabulary.max_symbols)
    config = recipe.make_config(text.train, languages)
    if begun:  # only what changes no weight is the recipe's
        network = replace(begun.config.network, dropout=config.network.dropout)
        config = replace(config, network=network)
    for line in describe_corpus(splits.report, text, config, source):
        on_event(Note(line))
    return RunData(config, text.train, text.valid, origin.to_json())


def read_corpus_again(
    out: Path, recipe: CorpusRecipe, pairs: Sequence[SentencePair] | None
) -> RunData:
    """Read the corpus of the run in `out`, to resume it.

    The vocabularies are those of its last step, if it has saved one.
    """
    origin, record = read_corpus_origin(out), read_run(out)
    if pairs:
        splits = prepare_corpus(pairs, languages=origin.languages)
    else:
        splits = origin.read_splits()
    step, vocabularies = find_newest_step(out, RUN_FILES), None
    if step is not None:
        vocabularies = Vocabularies((m := load(step)).source_tokenizer, m.target_tokenizer)
    recipe = origin.change_recipe(recipe)
    train, valid = recipe.make_splits(splits.train, splits.valid, origin.languages, vocabularies)
    return RunData(record.model, train, valid, record.about)


def open_start(model: str | Path) -> Translator:
    """The model to initialize the weights from. UserError if it is no translator."""
    start = load(str(model))
    if not isinstance(start, Translator):
        raise UserError(f"start {model} is not a translator; give one, or leave it out")
    return start


def choose_languages(
    paths: Sequence[str | Path], languages: LanguagePair | None, start: Translator | None
) -> tuple[LanguagePair, str]:
    """Codes of source and target, and where they come from."""
    if languages is not None:
        return languages, ""
    if start is not None:
        return (start.config.source_language, start.config.target_language), "as --start"
    if guess := guess_languages(*paths):
        return guess, "by the names of the files"
    return DEFAULT_LANGUAGES, "by default; --languages names others"


def check_longest(text: TextSplits, splits: CorpusSplits, max_symbols: int) -> None:
    if not len(text.train):
        raise UserError(
            f"all {len(splits.train)} training sentences have more than {max_symbols} symbols; "
            "give shorter ones, or another vocabulary.max_symbols"
        )


def describe_corpus(
    report: CorpusReport, text: TextSplits, config: TranslatorConfig, source: str
) -> Iterator[str]:
    """Say what was read, what was dropped, and which options follow from the corpus."""
    yield f"from {config.source_language} to {config.target_language}{source and f' ({source})'}"
    steps = {name: n for name, n in report.count_steps().items() if n}
    lost = {**steps, **{f"{name} held-out ones": n for name, n in report.overlaps.items() if n}}
    dropped = ", ".join(f"{name} {n:,}" for name, n in lost.items())
    yield f"{format_count(report.n_pairs, 'pair')} read{dropped and f'; {dropped}'}"
    longer = report.splits["train"] - len(text.train)
    yield (
        f"{len(text.train):,} to train on, {len(text.valid):,} to validate, "
        f"{report.splits['test']:,} left for a test, split by document"
        + (f"; {longer:,} too long to train on" if longer else "")
    )
    network = config.network
    joint = " (joint)" if network.tied_source else ""
    yield (
        f"vocabularies of {network.source_vocab_size:,} and {network.target_vocab_size:,} symbols"
        f"{joint}, dropout {network.dropout:g}: chosen by the number of pairs, or given"
    )
