"""Text on the terminal: what the user named is shown as it is, whatever brackets it has."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def make_console(**options: bool | int) -> Console:
    """A console that takes no markup, so that no name is ever read as some.

    Style is put on by `bold` and its like instead.
    """
    return Console(**{"highlight": False, **options}, markup=False, emoji=False)  # type: ignore[arg-type]


def bold(text: str) -> Text:
    return Text(text, "bold")


def dim(text: str) -> Text:
    return Text(text, "dim")


def yellow(text: str) -> Text:
    return Text(text, "yellow")
