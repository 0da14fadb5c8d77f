"""Recipes: data, model and training of complete runs."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Literal, overload

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.recipes.table import RECIPES, Entry

if TYPE_CHECKING:
    from smalti.recipes.corpus_recipe import CorpusRecipe
    from smalti.recipes.recipe import Recipe

__all__ = ["RECIPES", "Entry", "find_any_recipe", "find_recipe"]


TranslationName = Literal["translate", "article-translator"]
"""Recipes of translators, which are trained on sentence pairs."""


@overload
def find_recipe(name: TranslationName) -> CorpusRecipe: ...
@overload
def find_recipe(name: str) -> Recipe: ...
def find_recipe(name: str) -> Recipe | CorpusRecipe:
    """Find a recipe by its name. UserError if there is none.

    A recipe of pictures is a `Recipe`, one of translators a `CorpusRecipe`.
    """
    return find_any_recipe(name)


def find_any_recipe(name: str) -> Recipe | CorpusRecipe:
    """Find a recipe by a name that may be of either kind. UserError if there is none."""
    if name not in RECIPES:
        raise UserError(f"no recipe {name!r}; {suggest_name(name, RECIPES)}")
    entry = RECIPES[name]
    recipe: Recipe | CorpusRecipe = getattr(
        import_module(entry.module), name.upper().replace("-", "_")
    )
    training = replace(recipe.training, steps=entry.steps)
    return replace(
        recipe, training=training, name=name, summary=entry.summary, minutes=entry.minutes
    )
