"""`smalti list`: what there is to draw from and to train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smalti.cli.display import bold, make_console
from smalti.recipes import Entry
from smalti.tasks import Listing, ShippedModel, find_listed, list_models

EXAMPLES = """[bold]Examples[/bold]

  smalti list
  smalti list ddpm-digits
  smalti list | grep GPT"""

COMMANDS = {
    "draw": "smalti sample ddpm-digits -n 64",
    "train": "smalti train ddpm --data FOLDER",
    "details": "smalti list NAME",
}
KNOWN_FACTS = ("recipe", "parameters")
"""Facts of a card that are shown elsewhere."""

app = App(name="list", help_epilogue=EXAMPLES)


@app.default
def print_listing(
    name: Annotated[
        str, Parameter(help="Model or recipe to describe in detail.", show_default=False)
    ] = "",
    /,
) -> None:
    """List the shipped models and the recipes."""
    console = make_console()
    if name:
        print_details(console, name)
    elif console.is_terminal:
        print_tables(console, list_models())
    else:
        print_lines(console, list_models())


def print_tables(console: Console, listing: Listing) -> None:
    """Print models under the name of their family, and recipes, as wide as the terminal."""
    for family, models in groupby(listing.models, key=lambda model: model.family):
        console.print(Text(f"\n{family}", "bold cyan"))
        rows = [(m.name, format_size(m.n_bytes), m.summary) for m in models]
        console.print(make_table(rows, find_width(m.name for m in listing.models), right=True))
    for title, entries in split_recipes(listing.recipes).items():
        console.print(Text(f"\n{title}", "bold cyan"))
        rows = [(name, entry.duration, entry.summary) for name, entry in entries.items()]
        console.print(make_table(rows, find_width(listing.recipes)))
    print_commands(console, COMMANDS)


def print_lines(console: Console, listing: Listing) -> None:
    """Print a line for each model and each recipe, for `grep` and its like."""
    models = (
        (m.name, f"{m.family}: {m.kind}", format_size(m.n_bytes), m.summary) for m in listing.models
    )
    recipes = ((name, "recipe", e.duration, e.summary) for name, e in listing.recipes.items())
    for name, family, size, summary in [*models, *recipes]:
        console.print(f"{name:25} {family:35} {size:13} {summary}", soft_wrap=True)


def print_details(console: Console, name: str) -> None:
    """Print a model's card and a recipe's training, with commands."""
    model, entry = find_listed(name)
    console.print(bold(name))
    commands: dict[str, str] = {}
    if model:
        console.print(Text(model.summary))
        console.print(make_table(list_facts(model)))
        commands["use"] = model.command
    if entry:
        verb = "train anew" if model else "train"
        commands[verb] = f"smalti train {name}" + ("" if model else " --data FOLDER")
        console.print(Text(f"Recipe: {entry.summary}. It trains for {entry.duration}."))
        commands["options"] = f"smalti train {name} --help"
    print_commands(console, commands)


def list_facts(model: ShippedModel) -> list[tuple[str, str]]:
    """Everything that is known of a model."""
    facts = {
        "family": f"{model.family}: {model.kind}",
        "size": f"{format_size(model.n_bytes)}, {model.n_parameters / 1e6:.2f} M weights",
        "data": model.card.get("data", ""),
        **model.card.get("facts", {}),
    }
    return [
        (key.replace("_", " "), format_fact(value))
        for key, value in facts.items()
        if value and key not in KNOWN_FACTS
    ]


def format_fact(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def split_recipes(recipes: Mapping[str, Entry]) -> dict[str, dict[str, Entry]]:
    """Recipes for the user's own data first."""
    parts = {"Recipes for your data": True, "Recipes of shipped models and articles": False}
    return {
        title: {name: entry for name, entry in recipes.items() if entry.takes_any_data is takes_any}
        for title, takes_any in parts.items()
    }


def make_table(rows: Iterable[tuple[str, ...]], width: int = 0, *, right: bool = False) -> Table:
    """A table without lines, of which the last column is wrapped.

    width: of the first column, at least. right: align the second column to the right.
    """
    rows = list(rows)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=width)
    for k in range(1, len(rows[0]) if rows else 1):
        table.add_column(
            no_wrap=k < len(rows[0]) - 1, justify="right" if right and k == 1 else "left"
        )
    for name, *rest in rows:
        table.add_row(Text(f"  {name}"), *map(Text, rest))
    return table


def find_width(names: Iterable[str]) -> int:
    return 2 + max(map(len, names), default=0)


def print_commands(console: Console, commands: Mapping[str, str]) -> None:
    console.print()
    width = find_width(commands)
    for name, command in commands.items():
        console.print(Text(f"  {name:{width}}") + bold(command), soft_wrap=True)


def format_size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"
