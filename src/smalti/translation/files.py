"""Translation of text files and message catalogs, written atomically."""

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
from smalti.translation.glossary import GlossarySource, open_glossary
from smalti.translation.model import Translator
from smalti.translation.texts import LANGUAGE_NAMES, find_fault, translate

GROUP_SIZE = 64
"""Texts per call of `translate`."""


def translate_file(
    translator: Translator,
    path: str | Path,
    out: str | Path,
    beam: Beam | None = None,
    on_progress: OnProgress = ignore_event,
    glossary: GlossarySource = None,
) -> Counter[str]:
    """Translate a UTF-8 text file line by line.

    Returns the number of lines "translated" and "kept": empty lines, and those in another language
    or without words. `out` is written atomically. Raises UserError for a missing file or another
    encoding, before any work.
    """
    path, out = Path(path), Path(out)
    terms = open_glossary(glossary, translator.target_tokenizer)
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"{out} is the input file; name another output file")
    with open_bytes(path) as file:
        lines = list(decode_lines(file, path))  # at once: a pipe can be read only once
    counts: Counter[str] = Counter()
    with (
        stage_file(out) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as result,
    ):
        for line in translate_lines(translator, lines, beam, counts, glossary=terms):
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
    glossary: GlossarySource = None,
) -> Iterator[str]:
    """Translate lines, keeping their endings; `counts` is updated as in `translate_file`."""
    terms = open_glossary(glossary, translator.target_tokenizer)
    counts = Counter() if counts is None else counts
    lines = iter(lines)
    while group := list(islice(lines, group_size)):
        translatable = [line for line in group if not find_fault(translator, line)]
        found = translate(translator, translatable, beam, glossary=terms)
        translations = dict(zip(translatable, found, strict=True))
        for line in group:
            translated = translations.get(line, line)
            counts["kept" if translated == line else "translated"] += 1
            yield translated


def decode_lines(lines: Iterable[bytes], location: object) -> Iterator[str]:
    """Decode lines as UTF-8. Raises UserError naming the line."""
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
    glossary: GlossarySource = None,
) -> Counter[str]:
    """Fill untranslated entries of a gettext catalog, and mark them fuzzy.

    Returns the number of entries "filled", and of those "left" untranslated, because their text is
    in another language. out: output file.  Default: the catalog itself. All other bytes are kept.
    Raises UserError for an invalid catalog, or one for another language.
    """
    catalog, terms = read_catalog(path), open_glossary(glossary, translator.target_tokenizer)
    check_language(translator, catalog)
    texts = {
        e.find_source(keyword): None for e in catalog.untranslated for keyword in e.translations
    }
    translatable = [text for text in texts if not find_fault(translator, text)]
    translations: dict[str, str] = {}
    for k in range(0, len(translatable), GROUP_SIZE):
        group = translatable[k : k + GROUP_SIZE]
        found = translate(translator, group, beam, glossary=terms)
        translations |= zip(group, found, strict=True)
        on_progress(Progress("translating", len(translations), len(translatable)))
    content, filled = fill_catalog(catalog, translations)
    with stage_file(path if out is None else out) as temporary:
        temporary.write_bytes(content)
    return Counter(filled=filled, left=len(catalog.untranslated) - filled)


def check_language(model: Translator, catalog: Catalog) -> None:
    target_language = model.config.target_language
    if catalog.language and not catalog.language.lower().startswith(target_language):
        raise UserError(
            f"{catalog.path} is a catalog for {catalog.language}, but this model writes "
            f"{LANGUAGE_NAMES.get(target_language, target_language)}; give one whose header says "
            f"Language: {target_language}"
        )
