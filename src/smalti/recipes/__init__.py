"""Recipes: data, model and training of complete runs."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.recipes.table import RECIPES, Entry

if TYPE_CHECKING:
    from smalti.recipes.recipe import Recipe

__all__ = ["RECIPES", "Entry", "find_recipe"]


def find_recipe(name: str) -> Recipe:
    """Find a recipe by its name. UserError if there is none."""
    if name not in RECIPES:
        raise UserError(f"no recipe {name!r}; {suggest_name(name, RECIPES)}")
    entry = RECIPES[name]
    recipe: Recipe = getattr(import_module(entry.module), name.upper().replace("-", "_"))
    training = replace(recipe.training, steps=entry.steps)
    about = {"name": name, "summary": entry.summary, "minutes": entry.minutes}
    return replace(recipe, training=training, **about)
