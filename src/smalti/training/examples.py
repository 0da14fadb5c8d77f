"""Texts of a preview with their references and the model's outputs, as TSV files of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from smalti.core.errors import shorten
from smalti.core.files import write_text

EXAMPLES_FOLDER = "translations"


class Example(NamedTuple):
    """A text, its reference and the model's output."""

    source: str
    reference: str
    output: str

    def __str__(self) -> str:
        return f"{shorten(self.source)} -> {shorten(self.output)}"


def write_examples(examples: Sequence[Example], path: Path) -> Path:
    """Write a TSV file with a header."""
    rows = [Example._fields, *examples]
    return write_text(path, "".join("\t".join(map(join_lines, row)) + "\n" for row in rows))


def read_examples(path: Path) -> list[Example]:
    """Read what `write_examples` wrote; lines of another form are left out."""
    rows = [line.split("\t") for line in path.read_text("utf-8", "replace").split("\n")[1:]]
    return [Example(*row) for row in rows if len(row) == len(Example._fields)]


def join_lines(text: str) -> str:
    return " ".join(text.split())
