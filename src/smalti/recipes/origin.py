"""The recipe and data that a run was started with, from `about` in run.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from smalti.core.config import coerce_value, from_json, to_json
from smalti.core.errors import UserError
from smalti.core.ranges import Width
from smalti.core.size import Size
from smalti.data.condition_folder import ConditionFolder
from smalti.data.corpora import read_pairs
from smalti.data.corpora.pair import LanguagePair
from smalti.data.pictures import Splits
from smalti.recipes import find_recipe
from smalti.recipes.corpus_recipe import CorpusRecipe
from smalti.recipes.selected_conditions import select_conditions
from smalti.training import read_run
from smalti.translation.corpus import CorpusSplits, prepare_corpus
from smalti.translation.vocabularies import VocabularyConfig


class RunOrigin(NamedTuple):
    """Recipe and pictures of a run."""

    recipe: str
    data: str | None
    size: Size
    condition_folder: ConditionFolder | None = None
    """Condition pictures of a prior, for --picture given."""
    group_by: str | None = None
    """Pattern of the names that stay on one side of the split."""
    conditions: tuple[str, ...] | None = None
    """Names of the selected conditions; None for those that the recipe takes by itself."""

    def read_splits(self, progress: Callable[[int, int], None] | None = None) -> Splits:
        """Read the pictures in their present state."""
        grouping = {} if self.group_by is None else {"group_by": self.group_by}
        splits = find_recipe(self.recipe).read(
            self.data, size=self.size, progress=progress, **grouping
        )
        splits = select_conditions(splits, self.conditions)
        folder = self.condition_folder
        return splits if folder is None else folder.pair_splits(splits, progress)


class CorpusOrigin(NamedTuple):
    """Recipe and corpus of a translator's run."""

    recipe: str
    corpus: tuple[str, ...]
    """Paths; empty if pairs were given from Python."""
    languages: LanguagePair
    vocabulary: VocabularyConfig

    def read_splits(self) -> CorpusSplits:
        """Read, clean and split the corpus in its present state."""
        if not self.corpus:
            raise UserError("the run's sentence pairs were given from Python; give them again")
        pairs = read_pairs(*self.corpus, languages=self.languages)
        return prepare_corpus(pairs, languages=self.languages)

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `read_origin` reads."""
        return {**self._asdict(), "vocabulary": to_json(self.vocabulary)}

    def change_recipe(self, recipe: CorpusRecipe) -> CorpusRecipe:
        """The recipe with the run's vocabularies."""
        return replace(recipe, vocabulary=self.vocabulary)


def read_recipe_name(run: Path) -> str:
    """Name of the recipe of the run in a folder. UserError if run.json lacks it."""
    return coerce_value(read_run(run).about.get("recipe"), str, f"{run / 'run.json'}: about.recipe")


def read_origin(run: Path) -> RunOrigin:
    """Read the origin of a run on pictures. UserError if run.json lacks it."""
    about, path = read_run(run).about, f"{run / 'run.json'}: about"
    if "corpus" in about:
        raise UserError(f"{run} is the run of a translator, which has no pictures; name another")
    return RunOrigin(
        coerce_value(about.get("recipe"), str, f"{path}.recipe"),
        coerce_value(about.get("data"), str | None, f"{path}.data"),
        coerce_value(about.get("size"), Width | tuple[Width, Width], f"{path}.size"),
        read_condition_folder(about.get("condition_folder"), f"{path}.condition_folder"),
        coerce_value(about.get("group_by"), str | None, f"{path}.group_by"),
        coerce_value(about.get("conditions"), tuple[str, ...] | None, f"{path}.conditions"),
    )


def read_corpus_origin(run: Path) -> CorpusOrigin:
    """Read the origin of a translator's run. UserError if run.json lacks it."""
    about, path = read_run(run).about, f"{run / 'run.json'}: about"
    if "corpus" not in about:
        raise UserError(f"{run} is not the run of a translator, which has a corpus; name another")
    vocabulary = from_json(about.get("vocabulary"))
    return CorpusOrigin(
        coerce_value(about.get("recipe"), str, f"{path}.recipe"),
        coerce_value(about["corpus"], tuple[str, ...], f"{path}.corpus"),
        coerce_value(about.get("languages"), tuple[str, str], f"{path}.languages"),
        coerce_value(vocabulary, VocabularyConfig, f"{path}.vocabulary"),
    )


def make_absolute(paths: Sequence[str | Path]) -> tuple[str, ...]:
    """Absolute paths, for run.json."""
    return tuple(str(Path(path).expanduser().resolve()) for path in paths)


def read_condition_folder(value: object, name: str) -> ConditionFolder | None:
    """Read path, condition and kind of a folder of condition pictures; None if there is none."""
    if value is None:
        return None
    return ConditionFolder(*coerce_value(value, tuple[str, str, bool], name))
