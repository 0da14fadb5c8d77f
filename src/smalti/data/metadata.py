"""Captions and attributes of pictures in tables beside them: `metadata.csv`.

As in Hugging Face's imagefolder: a column `file_name` with paths relative to the table, `text` or
`caption`, and any others, which are attributes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smalti.core.errors import UserError
from smalti.data.file_selection import Entry

FILE_COLUMN = "file_name"
CAPTION_COLUMNS = ("text", "caption")
MAX_TABLE_BYTES = 1 << 28
Path = tuple[str, ...]
"""The parts of a path."""


class Metadata(NamedTuple):
    """What tables say about N pictures."""

    captions: tuple[str, ...]
    """One for each, "" where there is none; () if no table has a column of captions."""
    attributes: dict[str, tuple[str, ...]]
    """The words of each picture by column; "" where a picture has no row."""


def read_metadata(tables: Sequence[Entry], paths: Sequence[Path], source: str) -> Metadata:
    """Read the tables' rows for the pictures of these paths.

    A table without a column `file_name` is of something else, and is ignored. source: the folder's
    name in errors. UserError for a table that cannot be read, or that names other files.
    """
    rows: dict[Path, Mapping[str, str]] = {}
    columns: dict[str, None] = {}
    for table in tables:
        title = f"{source}/{'/'.join(table.parts)}"
        found = read_rows(table, title)
        if missing := found.keys() - set(paths):
            name = "/".join(min(missing))
            raise UserError(
                f"{title} names {name}, which is no picture there ({len(missing)} such rows); "
                "remove these rows"
            )
        rows |= found
        columns |= {name: None for row in found.values() for name in row}
    words = {name: tuple(rows.get(p, {}).get(name, "") for p in paths) for name in columns}
    captions = [words.pop(name) for name in CAPTION_COLUMNS if name in words]
    return Metadata(captions[0] if captions else (), words)


def read_rows(table: Entry, title: str) -> dict[Path, Mapping[str, str]]:
    """The rows of a table by path; none for a table without file names."""
    try:
        text = table.read(MAX_TABLE_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        rows = [row for row in reader if reader.fieldnames and FILE_COLUMN in reader.fieldnames]
    except UnicodeDecodeError as error:
        raise UserError(f"{title} is not UTF-8 text; save it as UTF-8, or remove it") from error
    except Exception as error:  # archives raise nearly anything
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{title} cannot be read ({' '.join(reason.split())})") from error
    if rows and "class" in rows[0]:
        raise UserError(
            f"{title} has a column class, but classes are subfolders; give it another name"
        )
    folder = table.parts[:-1]
    return {
        (*folder, *row[FILE_COLUMN].replace("\\", "/").split("/")): {
            name: word.strip()
            for name, word in row.items()
            if name and name != FILE_COLUMN and isinstance(word, str)
        }
        for row in rows
    }


def fill_captions(texts: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Captions of text files, and those of a table where there is no text file."""
    if not texts or not others:
        return texts or others
    return tuple(text or other for text, other in zip(texts, others, strict=True))
