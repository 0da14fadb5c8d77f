"""Glossaries, texts and catalogs given to `smalti translate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smalti.translation.catalog import read_catalog
from tests.fuzz.cases import Case, make_cases, write_file
from tests.fuzz.defects import bytes_defects
from tests.fuzz.kit import Kit
from tests.fuzz.texts import LINES, catalog_defects, line_defects

TEXT = "Save the document.\n"
MANY = 20
"""How often a part of a text is repeated: it takes the model's time, not the reader's."""
GLOSSARY = "document\t公文\nsave\t存\n# a comment\n\ntable of contents\t目录\n"
CATALOG = (
    'msgid ""\nmsgstr "Language: zh_CN\\nContent-Type: text/plain; charset=UTF-8\\n"\n'
    '\nmsgid "Close %s"\nmsgstr ""\n\nmsgid "Cancel"\nmsgstr "关闭"\n'
    '\nmsgid "A row"\nmsgid_plural "%d rows"\nmsgstr[0] ""\n'
)
ROWS = {
    "a term alone": "word",
    "no term": "\t字",
    "no translation": "word\t",
    "three columns": "word\t字\tnoun",
    "an end between": "word\r字",
    "Chinese first": "字\tword",
    "a number": "7\t七",
    "signs": "...\t。",
    "one letter": "e\t字",
    "an expression": ".*\\w+(a|b)[\t字",
    "many signs": "(" * 200 + "a\t字",
    "a repetition": "(a+)+$\t字",
    "a long term": "word" * 5000 + "\t字",
    "a term of many words": "word " * 5000 + "\t字",
    "a long translation": "document\t" + "字" * 20_000,
    "an unknown character": "document\t\U0001f9ff\ue000",
    "a combining sign": "document\t\N{COMBINING ACUTE ACCENT}",
    "a zero": "document\t\0",
    "a placeholder": "%s\t{name}",
    "markup": "<b>document</b>\t<b>",
    "another translation": "document\t文件",
    "the same again": "document\t公文",
    "another case": "Document\t文件",
    "spaces": "  document   save \t  字  ",
    "no-break spaces": "document\u00a0save\t\u3000字",
    "a surrogate's pair": "document\t\U00020000",
    "Latin": "document\tdocument",
    "many terms": "\n".join(f"word{k}\t字{k}" for k in range(5000)),
    "many alternatives": "\n".join(f"{'a ' * k}b\t字" for k in range(1, 300)),
}
"""Rows of a glossary."""


def cases(kit: Kit) -> Iterator[Case]:
    yield from glossaries()
    yield from texts()
    yield from catalogs()


def has_lines(workdir: Path) -> bool:
    """Whether every line of the text was translated."""
    given, found = ((workdir / name).read_bytes() for name in ("in.txt", "out.txt"))
    return given.count(b"\n") <= found.count(b"\n") <= given.count(b"\n") + 1


def has_catalog(workdir: Path) -> bool:
    """Whether there is a catalog that can be read."""
    return read_catalog(workdir / "new.po").path.is_file()


def glossaries() -> Iterator[Case]:
    text = write_file("in.txt", TEXT)
    words = "translate --file in.txt --out out.txt --beam-size 2 --glossary terms.tsv"
    data = GLOSSARY.encode()
    damaged = bytes_defects(len(data), 8)
    yield from make_cases("glossary", "terms.tsv", data, damaged, words, text, check=has_lines)
    for defect, content in line_defects(GLOSSARY):
        yield Case(f"glossary: {defect}", write_file("terms.tsv", content, text), words, has_lines)
    for defect, row in ROWS.items():
        make = write_file("terms.tsv", f"{GLOSSARY}{row}\n", text)
        yield Case(f"glossary: with {defect}", make, words, has_lines)
        make = write_file("terms.tsv", f"\ufeff{row}\n", text)
        yield Case(f"glossary: {defect} alone", make, words, has_lines)


def texts() -> Iterator[Case]:
    words = "translate --file in.txt --out out.txt --beam-size 1"
    data = TEXT.encode()
    yield from make_cases("text", "in.txt", data, bytes_defects(len(data), 2), words)
    for defect, content in LINES.items():
        if defect == "of two megabytes":
            continue  # which would take the model a day
        yield Case(f"text: {defect}", write_file("in.txt", content), words)


def catalogs() -> Iterator[Case]:
    words = "translate --po app.po --out new.po --beam-size 1"
    data = CATALOG.encode()
    damaged = bytes_defects(len(data), 8)
    yield from make_cases("catalog", "app.po", data, damaged, words, check=has_catalog)
    for defect, content in catalog_defects(CATALOG, MANY):
        yield Case(f"catalog: {defect}", write_file("app.po", content), words, has_catalog)
