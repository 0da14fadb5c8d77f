"""Translations of held-out sentences, compared with their references."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from smalti.core.errors import Notice, UserError
from smalti.core.messages import format_count
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.sampling import find_sampler
from smalti.core.short_repr import add_short_repr
from smalti.evaluation.plan import Plan
from smalti.evaluation.text.held_out_pairs import HeldOutPairs, hash_pairs
from smalti.evaluation.text.nearest_source import find_nearest_sources
from smalti.evaluation.text.paired import METRICS, pack_statistics
from smalti.evaluation.text.scores import TextScorer, make_scorer, sum_documents
from smalti.translation import Beam, Translator, translate
from smalti.translation.texts import default_beam, find_fault

BLOCK = 256
"""Sentences per progress event."""
DEFAULT_RESAMPLES = 1000
"""More than for errors: an interval's ends are percentiles."""
TITLES = ("BLEU", "chrF")
TEXT_OPTIONS = ("sampler", "batch_size", "bootstraps", "split", "memory")
"""Fields of a plan that apply to text."""


class Translations(NamedTuple):
    """The translations of all sentences by one search, and their cost."""

    texts: list[str]
    seconds: float
    n_tokens: int  # of the translations, each with </s>
    processor_seconds: float = 0.0  # of all threads; hardly depends on how busy the machine is


@dataclass(frozen=True, eq=False)
@add_short_repr
class TextComparison:
    """A translator's output, with references and baselines. Computed when first needed."""

    model: Translator
    data: HeldOutPairs
    searches: dict[str, Beam]
    """By name: "greedy", "beam 4". The last is the main one."""
    batch_size: int
    bootstraps: int
    on_progress: OnProgress = ignore_event
    bootstrap_seed: int = 0
    counted: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """The statistics so far, by metric and system."""

    @property
    def sampler(self) -> Beam:
        return [*self.searches.values()][-1]

    @property
    def main_search(self) -> str:
        return [*self.searches][-1]

    @cached_property
    def translations(self) -> dict[str, Translations]:
        """By search, as `smalti translate` gives them."""
        return {name: self.translate_with(name) for name in self.searches}

    @cached_property
    def untranslated(self) -> int:
        """Number of sentences that are kept because they are in another language."""
        return sum(bool(find_fault(self.model, text)) for text in self.data.sources)

    @cached_property
    def baselines(self) -> dict[str, list[str]]:
        """The sources themselves; and with training pairs, what a translation memory finds."""
        found = {"copy": self.data.sources}
        if train := self.data.train:
            rows = find_nearest_sources(self.data.sources, [pair.source for pair in train])
            found["memory"] = [train[row].target for row in rows]
        return found

    def translate_with(self, name: str) -> Translations:
        """Translate all sentences, those of similar length together."""
        sources = self.data.sources
        texts = {text: text for text in sources}
        wanted = sorted((t for t in texts if not find_fault(self.model, t)), key=len)
        begun, processor_begun = time.perf_counter(), time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Notice)  # unknown characters: references have them, too
            for k in range(0, len(wanted), BLOCK):
                block = wanted[k : k + BLOCK]
                found = translate(self.model, block, self.searches[name], self.batch_size)
                texts |= zip(block, found, strict=True)
                done = min(k + BLOCK, len(wanted))
                self.on_progress(Progress(f"translating, {name}", done, len(wanted)))
        seconds, worked = time.perf_counter() - begun, time.process_time() - processor_begun
        n_tokens = sum(map(len, self.model.target_tokenizer.encode([texts[t] for t in wanted])))
        return Translations([texts[text] for text in sources], seconds, n_tokens, worked)

    def make_scorer(self, name: str) -> TextScorer:
        return make_scorer(name, self.model.config.target_language)

    @cached_property
    def system_texts(self) -> dict[str, list[str]]:
        """The translations by search, and the baselines."""
        return {k: found.texts for k, found in self.translations.items()} | self.baselines

    def count_statistics(self, metric: str, system: str) -> np.ndarray:
        """Statistics (N, S) of a metric for a search or baseline."""
        key = metric, system
        if key not in self.counted:
            texts = self.system_texts[system]
            self.counted[key] = self.make_scorer(metric).count_statistics(texts, self.data.targets)
        return self.counted[key]

    def collect_statistics(self, metrics: Iterable[str]) -> dict[str, Any]:
        """Sums by document of the main search, for `compare_reports`."""
        found: dict[str, Any] = {}
        for metric in METRICS:
            if (metric, self.main_search) in self.counted and metric in metrics:
                statistics = self.counted[metric, self.main_search]
                found[metric] = pack_statistics(sum_documents(statistics, self.data.documents))
        return found | {"language": self.model.config.target_language} if found else found

    def describe_protocol(self) -> dict[str, Any]:
        """The protocol's fields for sentence pairs."""
        pairs = self.data.pairs
        digest = hash_pairs(pairs)
        return {
            "data": self.data.name,
            "data_hash": digest,
            "reference": 0,
            "split": self.data.split,
            "shape": None,
            "features": "",
            "features_hash": "",
            "resize": "",
            "n": len(pairs),
            "seed": 0,
            "classes": "none: every held-out sentence",
            "held": len(pairs),
            "split_hash": digest,
            "mirrored": False,
            "bootstraps": self.bootstraps,
            "bootstrap_seed": self.bootstrap_seed,
        }

    def notes(self) -> tuple[str, ...]:
        notes = [*self.data.notes]
        with suppress(UserError):  # the rows say so
            notes += [f"{title}: {self.make_scorer(title.lower()).signature}" for title in TITLES]
        units = "documents" if self.data.has_documents else "sentences (documents are unknown)"
        notes.append(f"in brackets: the middle 95% of {self.bootstraps:,} resamples of the {units}")
        if train := self.data.train:
            notes.append(f"memory: of {format_count(len(train), 'training pair')}")
        if self.untranslated:
            kept = format_count(self.untranslated, "sentence is", "sentences are")
            notes.append(f"{kept} not in the source language, and scored without translation")
        return tuple(notes)


def prepare_text_comparison(
    model: Translator, data: object, plan: Plan, on_progress: OnProgress
) -> TextComparison:
    """Choose the searches: greedy, and the plan's or the model's own."""
    check_text_options(plan)
    if not isinstance(data, HeldOutPairs):
        raise UserError(f"data are {type(data).__name__}; a translator needs sentence pairs")
    beam = find_sampler(plan.sampler, model) or default_beam(model)
    if not isinstance(beam, Beam):
        raise UserError(f"sampler is {beam}; translators are measured with beam search, Beam(...)")
    searches = {name_search(one): one for one in (replace(beam, width=1), beam)}
    bootstraps = plan.bootstraps or DEFAULT_RESAMPLES
    return TextComparison(model, data, searches, plan.batch_size, bootstraps, on_progress)


def check_text_options(plan: Plan) -> None:
    """UserError for an option of samples of pictures."""
    for one in fields(Plan):
        value = getattr(plan, one.name)
        if one.name not in TEXT_OPTIONS and value != one.default:
            raise UserError(
                f"{one.name} is {value}, an option for models of pictures; translators have "
                f"{', '.join(TEXT_OPTIONS)}"
            )


def name_search(beam: Beam) -> str:
    return "greedy" if beam.width == 1 else f"beam {beam.width}"
