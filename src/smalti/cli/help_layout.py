"""How help is laid out: `  --name TYPE  What it does. [default]`, one line for an option."""

from __future__ import annotations

from typing import Any

from cyclopts import Group
from cyclopts.help import HelpEntry, HelpPanel
from rich.console import Console, ConsoleOptions
from rich.text import Text

ARGUMENTS, OPTIONS = Group("Arguments", sort_key=-1), Group("Options", sort_key=0)
WIDTH = 80
MARGIN, COLUMN, INDENT = 2, 25, 6
"""Columns: of names, of the text beside a name, and of a text that is too long to stand there."""
SWITCH_STATES = {"True": "on", "False": "off"}


class OneLineFormatter:
    """Formats help for cyclopts. No text is wrapped; a long name has a line of its own."""

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        if not panel.entries:
            return
        title = Text(str(panel.title), style="bold")
        if description := read_plain_text(panel.description, console):
            title.append(f"  {description}", style="not bold")
        console.print()
        print_line(console, title)
        names = [name_entry(entry) for entry in panel.entries]
        column = COLUMN
        if panel.format == "command":
            column = max(map(len, names)) + MARGIN + 2
        for entry, name in zip(panel.entries, names, strict=True):
            for line in format_entry(entry, name, column, console):
                print_line(console, line)

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        text = read_plain_text(usage, console)
        print_line(console, Text(f"Usage: {text.removeprefix('Usage: ')}"))

    def render_description(
        self, console: Console, options: ConsoleOptions, description: Any
    ) -> None:
        if text := read_plain_text(description, console):
            print_line(console, Text("\n" + text))


def print_line(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True)


def read_plain_text(value: Any, console: Console) -> str:
    """The text of anything that Rich prints."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    with console.capture() as capture:
        console.print(value, soft_wrap=True)
    return Text.from_ansi(capture.get()).plain.strip()


def format_entry(entry: HelpEntry, name: str, column: int, console: Console) -> list[Text]:
    """The line of an argument, an option or a command; two where they do not fit into one."""
    text = Text(read_plain_text(entry.description, console))
    if entry.default is not None:
        text.append(f" [{SWITCH_STATES.get(entry.default, entry.default)}]", style="dim")
    head = Text(" " * MARGIN).append(name, style="cyan")
    beside = column if column + len(text) <= WIDTH else INDENT
    if beside == column and len(head) < column:
        return [head.append(" " * (column - len(head))) + text]
    return [head, Text(" " * beside) + text] if text else [head]


def name_entry(entry: HelpEntry) -> str:
    """What is typed: `MODEL`, `-n, --num INT`, `--[no-]clip`, `--color keep|gray|rgb`."""
    if entry.positional_label and not entry.positive_names:
        return entry.positional_label
    names = [*entry.positive_shorts, *entry.positive_names]
    if entry.positional_label:
        names.insert(0, entry.positional_label)
    if entry.negative_names:
        path, dot, last = names[-1].removeprefix("--").rpartition(".")
        names[-1] = f"--{path}{dot}[no-]{last}"
    value = "|".join(entry.choices) if entry.choices else entry.metavar or ""
    return f"{', '.join(names)} {value}".strip()
