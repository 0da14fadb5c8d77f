"""The rows of benchmarks/translators.py: a change of the recipe `translate` each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from smalti.data.corpora.pair import LanguagePair
from smalti.recipes import find_recipe
from smalti.recipes.corpus_recipe import CorpusRecipe

SIZES = {"source_size": 4000, "target_size": 4000}
TRAINING = {"batch_size": 2048, "save_every": 10**9}


@dataclass(frozen=True)
class Row:
    """A translator, by what differs from the first row."""

    model: dict[str, Any] = field(default_factory=dict)
    vocabulary: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    languages: LanguagePair = ("en", "zh")
    recipe: str = "translate"

    def build_recipe(self) -> CorpusRecipe:
        recipe = find_recipe("translate" if self.recipe == "translate" else "article-translator")
        if self.recipe == "translate":
            recipe = recipe.change(TRAINING, self.model, {**SIZES, **self.vocabulary})
        return recipe.change({**self.training, "precision": "auto"})


def size_vocabularies(n: int) -> dict[str, Any]:
    return {"source_size": n, "target_size": n}


ROWS = {
    "first": Row(),
    "no BPE-dropout": Row(vocabulary={"dropout": 0.0}),
    "vocabularies 2,000": Row(vocabulary=size_vocabularies(2000)),
    "vocabularies 8,000": Row(vocabulary=size_vocabularies(8000)),
    "joint vocabulary 8,000": Row(
        vocabulary={"joint": True, "source_size": 8000, "target_size": None}
    ),
    "R-Drop 4": Row(model={"r_drop": 4.0}),
    "width 128": Row(model={"network.width": 128, "network.feed_forward_width": 512}),
    "width 384": Row(
        model={
            "network.width": 384,
            "network.heads": 6,
            "network.feed_forward_width": 1536,
        }
    ),
    "4 + 4 layers": Row(model={"network.encoder_layers": 4, "network.decoder_layers": 4}),
    "3 + 1 layers": Row(model={"network.encoder_layers": 3, "network.decoder_layers": 1}),
    "post-norm": Row(model={"network.norm": "post"}),
    "output not tied": Row(model={"network.tied_embeddings": False}),
    "no label smoothing": Row(model={"label_smoothing": 0.0}),
    "the article's": Row(recipe="article-translator"),
    "zh to en": Row(languages=("zh", "en")),
}
