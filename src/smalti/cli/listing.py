"""`smalti list`: what there is to draw from and to train."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

import smalti
from smalti.cli.display import bold, console
from smalti.recipes import RECIPES

EXAMPLES = """[bold]Example[/bold]

  smalti list"""

SHIPPED = Path(smalti.__file__).parent / "assets" / "models"  # torch is not needed to look there

HOW = ("recipe", "parameters", "seed", "steps", "step", "batch", "hardware", "size")
"""Facts of a card that the table leaves out."""

app = App(name="list", help_epilogue=EXAMPLES)


@app.default
def list_all() -> None:
    """List the shipped models and the recipes."""
    out = console()
    models = sorted(path.parent for path in SHIPPED.glob("*/config.json"))
    out.print(model_table(models) if models else "No models are shipped.")
    out.print(recipe_table())
    if drawing := [folder.name for folder in models if "sampler" in read(folder)["model"]]:
        out.print(Text("  draw   ") + bold(f"smalti sample {drawing[0]} -n 64"))
    out.print(Text("  train  ") + bold("smalti train ddpm --data FOLDER"))


def model_table(folders: list[Path]) -> Table:
    table = empty_table("model", "family", "size", "weights", "what is known of it")
    for folder in folders:
        content = read(folder)
        card = content.get("card", {})
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        table.add_row(
            bold(folder.name),
            content["model"]["tag"],
            f"{size / 1e6:.1f} MB",
            f"{parameters(folder / 'model.safetensors') / 1e6:.2f} M",
            "\n".join(filter(None, (card.get("data"), shown_facts(card.get("facts", {}))))),
        )
    return table


def recipe_table() -> Table:
    table = empty_table("recipe", "trains for", "what it trains")
    for name, entry in RECIPES.items():
        table.add_row(bold(name), entry.length, entry.summary)
    return table


def empty_table(*columns: str) -> Table:
    """Everything on one line but the last column."""
    table = Table(box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, no_wrap=name != columns[-1])
    return table


def parameters(weights: Path) -> int:
    """Weights in a safetensors file, by its header alone: no scales of int8, and no vocabulary."""
    with weights.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(value["shape"])
        for name, value in header.items()
        if name != "__metadata__" and not name.endswith(":scale") and value["dtype"] != "U8"
    )


def shown_facts(facts: dict[str, Any]) -> str:
    """The card's numbers and words, but not what says how it was trained."""
    shown = {k.replace("_", " "): v for k, v in facts.items() if k not in HOW and plain(v)}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def plain(value: Any) -> bool:
    return isinstance(value, (int, float, str))


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text())
