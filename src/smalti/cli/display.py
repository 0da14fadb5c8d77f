"""Text on the terminal, without markup: names may contain brackets."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def make_console(**options: bool | int) -> Console:
    """A console without markup. Use `bold`, `dim` and `yellow` for style."""
    return Console(**{"highlight": False, **options}, markup=False, emoji=False)  # type: ignore[arg-type]


def bold(text: str) -> Text:
    return Text(text, "bold")


def dim(text: str) -> Text:
    return Text(text, "dim")


def yellow(text: str) -> Text:
    return Text(text, "yellow")
