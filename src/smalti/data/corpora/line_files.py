"""Corpora of a pair per line: two aligned files, TSV, JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from smalti.core.errors import UserError, shorten
from smalti.data.corpora.languages import find_language
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.text_file import read_lines

Value = TypeVar("Value")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: JSON may escape one, but no text file can hold it."""


def read_aligned_files(source: Path, target: Path) -> Iterator[SentencePair]:
    """Yield line k of both files as a pair. Raises UserError if their numbers of lines differ."""
    lines = zip_longest(read_lines(source), read_lines(target))
    is_empty = True
    for left, right in lines:
        is_empty = False
        if left is None or right is None:
            raise make_unaligned_error(source, target)
        yield SentencePair(left[1], right[1])
    if is_empty:
        raise UserError(f"{source} is empty; give a file with a sentence a line")


def make_unaligned_error(source: Path, target: Path) -> UserError:
    counts = [sum(1 for _ in read_lines(path)) for path in (source, target)]
    return UserError(
        f"{source} has {counts[0]} lines and {target} {counts[1]}; give files whose lines "
        "correspond"
    )


def read_tsv(path: Path, languages: LanguagePair) -> Iterator[SentencePair]:
    """Yield the rows: source, tab, target.

    A first row of names (source, target, document, corpus, or languages) says which column is
    which; without it further columns are ignored.
    """
    columns, number = {"source": 0, "target": 1}, 0
    for number, line in read_lines(path):
        cells = line.split("\t")
        if number == 1 and (found := find_columns(cells, languages)):
            columns = found
        elif len(cells) <= max(columns.values()):
            raise UserError(
                f"{path}, line {number}: {len(cells)} columns instead of "
                f"{max(columns.values()) + 1}; separate sentence and translation by a tab"
            )
        else:
            yield SentencePair(**{name: cells[k] for name, k in columns.items()})
    if not number:
        raise UserError(f"{path} is empty; give a file with sentence pairs")


def find_columns(cells: list[str], languages: LanguagePair) -> dict[str, int]:
    """The columns that a header names; {} if the cells are no header."""
    names = {name.strip().casefold(): k for k, name in enumerate(cells)}
    return find_fields(names, languages) if len(names) == len(cells) else {}


def read_json_lines(path: Path, languages: LanguagePair) -> Iterator[SentencePair]:
    """Yield the pairs of a file with a JSON object a line.

    Sentences are under "source" and "target", the languages' codes or their English names, alone
    or inside of "translation"; "document" (or "doc") and "corpus" are optional. Where languages
    name the sentences, "source" is the corpus.
    """
    number = 0
    for number, line in read_lines(path):
        if line.strip():
            yield make_pair(parse_line(line, path, number), languages, path, number)
    if not number:
        raise UserError(f"{path} is empty; give a file with sentence pairs")


def parse_line(line: str, path: Path, number: int) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}, line {number}: {shorten(line)} is not JSON; give an object a line"
        ) from error
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {number}: {shorten(line)} is no object of a pair")
    inner = row.get("translation")
    return {**row, **inner} if isinstance(inner, dict) else row


def make_pair(
    row: Mapping[str, object], languages: LanguagePair, path: Path, number: int
) -> SentencePair:
    fields = find_fields(row, languages)
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    if not texts or len(texts) < len(fields):
        names = " and ".join(languages)
        raise UserError(
            f"{path}, line {number}: no texts in {names} among {shorten([*row])}; give "
            '"source" and "target", or languages by --languages'
        )
    if any(SURROGATE.search(text) for text in texts.values()):
        raise UserError(f"{path}, line {number}: has half a surrogate pair; write it as UTF-8")
    return SentencePair(**texts)


def find_fields(names: Mapping[str, Value], languages: LanguagePair) -> dict[str, Value]:
    """The entries of `names` by field of a pair; {} unless both sentences are there."""
    found: dict[str, Value | None]
    sides = [find_side(names, code) for code in languages]
    if all(side is not None for side in sides):
        found = {"source": sides[0], "target": sides[1], "corpus": names.get("source")}
    elif "source" in names and "target" in names:
        found = {"source": names["source"], "target": names["target"]}
    else:
        return {}
    found["document"] = names.get("document", names.get("doc"))
    found["corpus"] = names.get("corpus", found.get("corpus"))
    return {name: value for name, value in found.items() if value is not None}


def find_side(names: Mapping[str, Value], code: str) -> Value | None:
    language = find_language(code)
    keys = (code, code.replace("_", "-"), language.code, language.name)
    return next((names[key] for key in keys if key and key in names), None)
