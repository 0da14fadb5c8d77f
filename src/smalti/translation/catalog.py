"""Fill untranslated entries of gettext catalogs (.po), and keep all other bytes."""

from __future__ import annotations

import re

from smalti.core.errors import UserError
from smalti.data.corpora.po_catalog import ESCAPES, Catalog, Entry, decode_bytes, read_catalog

__all__ = ["Catalog", "decode_bytes", "fill_catalog", "read_catalog"]

ESCAPE_TABLE = str.maketrans(
    {"\\": "\\\\", '"': '\\"', **{v: f"\\{k}" for k, v in ESCAPES.items()}}
)


def fill_catalog(catalog: Catalog, translations: dict[str, str]) -> tuple[bytes, int]:
    """Fill untranslated entries and mark them fuzzy; returns the bytes and the number filled.

    translations: translations by source text. Entries without one stay untranslated.
    Raises UserError if the charset lacks a character of a translation.
    """
    lines = list(catalog.lines)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    ready = [
        e
        for e in catalog.untranslated
        if all(e.find_source(k) in translations for k in e.translations)
    ]
    for entry in ready:
        for keyword in entry.translations:
            first, last = entry.line_ranges[keyword]
            lines[first] = quote(keyword, translations[entry.find_source(keyword)], end)
            lines[first + 1 : last] = [""] * (last - first - 1)
        mark_fuzzy(lines, entry, end)
    try:
        return "".join(lines).encode(catalog.charset), len(ready)
    except UnicodeEncodeError as error:
        character = error.object[error.start]
        raise UserError(
            f"{catalog.path} is in {catalog.charset}, which lacks {character!r}; "
            "convert it to UTF-8 first with msgconv -t UTF-8"
        ) from error


def mark_fuzzy(lines: list[str], entry: Entry, end: str) -> None:
    if entry.flags_line is None:
        lines[entry.insert_at] = f"#, fuzzy{end}{lines[entry.insert_at]}"
    elif "fuzzy" not in re.split(r"[\s,]+", lines[entry.flags_line]):
        flags = lines[entry.flags_line].rstrip()
        lines[entry.flags_line] = f"{flags}, fuzzy{lines[entry.flags_line][len(flags) :]}"


def quote(keyword: str, text: str, end: str) -> str:
    """Quote a translation; text of several lines takes one quoted line each."""
    rows = re.findall(r"[^\n]*\n|[^\n]+", text)
    quoted = [f'"{row.translate(ESCAPE_TABLE)}"' for row in rows] or ['""']
    first = f"{keyword} " if len(quoted) == 1 else f'{keyword} ""{end}'
    return first + end.join(quoted) + end
