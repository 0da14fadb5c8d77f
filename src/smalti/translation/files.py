"""Text files and catalogs of messages: read, translated, and written whole or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.files import stage_file
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.translation.catalog import Catalog, decode_bytes, fill_catalog, read_catalog
from smalti.translation.decoding import Beam
from smalti.translation.model import Translator
from smalti.translation.texts import LANGUAGE_NAMES, find_fault, translate

GROUP_SIZE = 64
"""Texts that are translated together."""


def translate_file(
    translator: Translator,
    path: str | Path,
    out: str | Path,
    beam: Beam | None = None,
    on_progress: OnProgress = ignore_event,
) -> Counter[str]:
    """Translate a text file in UTF-8 line by line. Returns how many lines were "translated" and how
    many "kept": empty ones, and those of another language or without words.

    `out` appears when all is done. Raises UserError for a file that is missing or in another
    encoding, before any work.
    """
    path, out = Path(path), Path(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"{out} is the file to be translated; name another one for the result")
    with open_bytes(path) as file:
        lines = list(decode_lines(file, path))  # at once: a pipe can be read but once
    counts: Counter[str] = Counter()
    with (
        stage_file(out) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as result,
    ):
        for line in translate_lines(translator, lines, beam, counts):
            result.write(line)
            on_progress(Progress("translating", counts.total(), len(lines)))
        result.flush()
        os.fsync(result.fileno())
    return counts


def translate_lines(
    translator: Translator,
    lines: Iterable[str],
    beam: Beam | None = None,
    counts: Counter[str] | None = None,
    group_size: int = GROUP_SIZE,
) -> Iterator[str]:
    """Each line translated, its end as it was; `counts` grows as `translate_file` tells it."""
    counts = Counter() if counts is None else counts
    lines = iter(lines)
    while some := list(islice(lines, group_size)):
        translatable = [line for line in some if not find_fault(translator, line)]
        translations = dict(
            zip(translatable, translate(translator, translatable, beam), strict=True)
        )
        for line in some:
            changed = translations.get(line, line)
            counts["kept" if changed == line else "translated"] += 1
            yield changed


def decode_lines(lines: Iterable[bytes], location: object) -> Iterator[str]:
    """UserError, which names the line, where they are not UTF-8."""
    for k, line in enumerate(lines, 1):
        yield decode_bytes(line, "UTF-8", f"{location}, line {k}")


def open_bytes(path: Path):
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a text file")
    return path.open("rb")


def translate_catalog(
    translator: Translator,
    path: str | Path,
    out: str | Path | None = None,
    beam: Beam | None = None,
    on_progress: OnProgress = ignore_event,
) -> Counter[str]:
    """Fill what is untranslated in a gettext catalog, and mark it fuzzy. Returns how many entries
    were "filled", and how many of those that were open are "left": in another language.

    out: where to write it; over the catalog itself when None. All else in it stays byte for byte.
    Raises UserError for what is no catalog, or one for another language.
    """
    catalog = read_catalog(path)
    check_language(translator, catalog)
    texts = {
        e.find_source(keyword): None for e in catalog.untranslated for keyword in e.translations
    }
    translatable = [text for text in texts if not find_fault(translator, text)]
    translations: dict[str, str] = {}
    for k in range(0, len(translatable), GROUP_SIZE):
        some = translatable[k : k + GROUP_SIZE]
        translations |= zip(some, translate(translator, some, beam), strict=True)
        on_progress(Progress("translating", len(translations), len(translatable)))
    content, filled = fill_catalog(catalog, translations)
    with stage_file(path if out is None else out) as temporary:
        temporary.write_bytes(content)
    return Counter(filled=filled, left=len(catalog.untranslated) - filled)


def check_language(model: Translator, catalog: Catalog) -> None:
    target_language = model.config.target_language
    if catalog.language and not catalog.language.lower().startswith(target_language):
        raise UserError(
            f"{catalog.path} is a catalog for {catalog.language}; this model writes "
            f"{LANGUAGE_NAMES.get(target_language, target_language)}: give one whose header says Language: {target_language}"
        )
