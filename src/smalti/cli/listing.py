"""`smalti list`: what there is to draw from and to train."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from smalti.cli.display import bold, make_console
from smalti.tasks import Listing, ShippedModel, list_models

EXAMPLES = """[bold]Examples[/bold]

  smalti list"""

TRAINING_FACTS = ("recipe", "parameters", "seed", "steps", "step", "batch", "hardware", "size")
"""Facts of a card that the table leaves out."""

app = App(name="list", help_epilogue=EXAMPLES)


@app.default
def print_listing() -> None:
    """List the shipped models and the recipes."""
    out, listing = make_console(), list_models()
    out.print(make_model_table(listing.models) if listing.models else "No models are shipped.")
    out.print(make_recipe_table(listing))
    if drawing := [model.name for model in listing.models if model.can_draw]:
        out.print(Text("  draw   ") + bold(f"smalti sample {drawing[0]} -n 64"))
    out.print(Text("  train  ") + bold("smalti train ddpm --data FOLDER"))


def make_model_table(models: Iterable[ShippedModel]) -> Table:
    table = make_table("model", "family", "size", "weights", "details")
    for model in models:
        known = (model.card.get("data"), format_facts(model.card.get("facts", {})))
        table.add_row(
            bold(model.name),
            model.family,
            f"{model.n_bytes / 1e6:.1f} MB",
            f"{model.n_parameters / 1e6:.2f} M",
            "\n".join(filter(None, known)),
        )
    return table


def make_recipe_table(listing: Listing) -> Table:
    table = make_table("recipe", "trains for", "what it trains")
    for name, entry in listing.recipes.items():
        table.add_row(bold(name), entry.duration, entry.summary)
    return table


def make_table(*columns: str) -> Table:
    """A table whose columns but the last are not wrapped."""
    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, no_wrap=name != columns[-1])
    return table


def format_facts(facts: dict[str, Any]) -> str:
    """The card's numbers and words, without the facts of its training."""
    shown = {
        k.replace("_", " "): v for k, v in facts.items() if k not in TRAINING_FACTS and is_scalar(v)
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float, str))
