"""The studio's words: one table per language, made of one file per page."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from smalti.core.errors import UserError

FOLDER = Path(__file__).parent / "static" / "strings"


def list_languages() -> list[str]:
    """Languages that have a table, English first."""
    names = sorted(entry.name for entry in FOLDER.iterdir() if entry.is_dir())
    return sorted(names, key=lambda name: name != "en")


@cache
def read_strings(language: str) -> dict[str, str]:
    """The table of a language. UserError for an unknown one, or for a key of two meanings."""
    if language not in list_languages():
        raise UserError(f"no language {language!r:.20}; there are {', '.join(list_languages())}")
    table: dict[str, str] = {}
    for file in sorted((FOLDER / language).glob("*.json")):
        words = json.loads(file.read_text(encoding="utf-8"))
        for key in table.keys() & words.keys():
            if table[key] != words[key]:
                raise UserError(f"{file.name} has {key!r}, which another file has in other words")
        table |= words
    return table
