"""Find the files of two languages that belong together, by their paths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from smalti.data.corpora.languages import find_language, is_traditional, list_languages
from smalti.data.corpora.pair import LanguagePair

CODE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{2,8}){0,2}(?:@\w+)?")
"""A language code, such as zh, zh_CN, zh-Hans."""


def find_code(path: str | PurePath) -> str | None:
    """The language code in a file's name, such as a.en or help.zh_CN.html, or of its folders."""
    words = [word for part in PurePath(path).parts for word in part.split(".")]
    return next((word for word in reversed(words) if is_code(word)), None)


def is_code(word: str) -> bool:
    """Whether a word is the code of a known language; C is the programs' own, English."""
    return bool(CODE.fullmatch(word)) and find_language(word).code in list_languages()


def mark_language(path: PurePath, code: str) -> tuple[str, bool]:
    """The path with * for the language, and whether it stood there."""
    parts = []
    for part in path.parts:
        words = ["*" if is_same_language(word, code) else word for word in part.split(".")]
        parts.append(".".join(words))
    marked = "/".join(parts)
    return marked, marked != path.as_posix()


def is_same_language(word: str, code: str) -> bool:
    """Whether a word of a path names a language: zh_CN and zh-Hans name zh, zh_TW does not."""
    if word == "C":  # texts of GNOME's programs as written, in English
        return find_language(code).code == "en"
    same = is_code(word) and find_language(word).code == find_language(code).code
    return same and is_traditional(word) == is_traditional(code)


def match_files(
    sources: Iterable[PurePath],
    targets: Iterable[PurePath],
    languages: LanguagePair,
    *,
    marked: bool,
) -> list[tuple[PurePath, PurePath]]:
    """Pair the files whose paths are equal but for the language.

    marked: take only files whose paths tell their language.
    """
    others: dict[str, PurePath] = {}
    for path in sorted(targets):
        key, is_marked = mark_language(path, languages[1])
        if is_marked or not marked:
            others.setdefault(key, path)
    pairs = []
    for path in sorted(sources):
        key, is_marked = mark_language(path, languages[0])
        if key in others and (is_marked or not marked):
            pairs.append((path, others[key]))
    return pairs


def list_relative_files(folder: Path, suffixes: Sequence[str]) -> list[PurePath]:
    """The files of a folder with these suffixes, relative to it."""
    return sorted(
        PurePath(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.name.lower().endswith(tuple(suffixes))
    )
