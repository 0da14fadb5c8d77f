"""Read corpora of any supported format: the format follows from the names of the files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.languages import find_language, list_languages
from smalti.data.corpora.line_files import read_aligned_files, read_json_lines, read_tsv
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.text_file import strip_compression

READERS = {".tsv": read_tsv, ".jsonl": read_json_lines}
"""Readers of files that hold both languages, by suffix."""


def read_pairs(*paths: str | Path, languages: LanguagePair = ("en", "zh")) -> list[SentencePair]:
    """Read the sentence pairs of all paths.

    A file that holds one language is followed by the file of the other: read_pairs("a.en", "a.zh").
    `languages` are the codes of source and target. Pairs without a document get their file's name.
    Raises UserError, naming file and line, for files that cannot be read.
    """
    return [*iterate_pairs(*paths, languages=languages)]


def iterate_pairs(
    *paths: str | Path, languages: LanguagePair = ("en", "zh")
) -> Iterator[SentencePair]:
    """As `read_pairs`, pair by pair."""
    if not paths:
        raise UserError("no corpus is given; name its files")
    for files in group_files([Path(path) for path in paths]):
        name = files[0].name
        for pair in read_files(files, languages):
            yield pair if pair.document else pair._replace(document=name)


def group_files(paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Group the paths into corpora: one file with both languages, or two files with one each."""
    rest = iter(paths)
    for path in rest:
        if strip_compression(path).suffix.lower() in READERS:
            yield (path,)
            continue
        other = next(rest, None)
        if other is None:
            raise UserError(
                f"{path} holds one language; give the file of the other language after it"
            )
        yield path, other


def read_files(files: tuple[Path, ...], languages: LanguagePair) -> Iterator[SentencePair]:
    """Read one corpus: a file with both languages, or two."""
    if len(files) == 2:
        return read_aligned_files(*files)
    return READERS[strip_compression(files[0]).suffix.lower()](files[0], languages)


def guess_languages(*paths: str | Path) -> LanguagePair | None:
    """The languages that the names of two files tell, as in a.en and a.zh; None if they do not."""
    if len(paths) < 2:
        return None
    codes = [find_code(strip_compression(Path(path))) for path in paths[:2]]
    if codes[0] is None or codes[1] is None or codes[0] == codes[1]:
        return None
    return codes[0], codes[1]


def find_code(path: Path) -> str | None:
    """The known language code that a file's name ends in: a.en, help.zh_CN.html, de.json."""
    words = [word for word in re.split(r"[.]", path.name) if word]
    found = [word for word in words[::-1] if find_language(word).code in list_languages()]
    return find_language(found[0]).code if found else None
