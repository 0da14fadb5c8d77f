"""Pairs of gettext catalogs, .po and .mo: their message ids are texts in one of the languages."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.languages import find_language, is_traditional
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.po_catalog import (
    CHARSET,
    LANGUAGE,
    Entry,
    decode_bytes,
    parse_catalog,
)
from smalti.data.corpora.text_file import read_bytes, strip_compression

Message = tuple[str, str, str]
"""Context, message id and translation. A plural form stands for itself."""
MAGIC = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}


def read_gettext(path: Path, languages: LanguagePair) -> Iterator[SentencePair]:
    """Yield the translated messages of a catalog, without fuzzy ones.

    A catalog in the target's language has ids in the source's, and the reverse. Raises UserError
    if its header names another language.
    """
    language, messages = read_messages(path)
    if not language or is_language(language, languages[1]):
        yield from (SentencePair(message, text) for _, message, text in messages)
    elif is_language(language, languages[0]):
        yield from (SentencePair(text, message) for _, message, text in messages)
    else:
        raise UserError(
            f"{path} is in {language}, not in {' or '.join(languages)}; name the languages with "
            "--languages"
        )


def read_gettext_pair(source: Path, target: Path) -> Iterator[SentencePair]:
    """Yield the translations that both catalogs have of a message."""
    others = {message[:2]: message[2] for message in read_messages(target)[1]}
    for context, message, text in read_messages(source)[1]:
        if (context, message) in others:
            yield SentencePair(text, others[context, message])


def read_language(path: Path) -> str:
    """The language that a catalog's header names; "" if it names none."""
    return read_messages(path)[0]


def is_language(language: str, code: str) -> bool:
    """Whether a catalog's language, such as "zh_CN", is meant by a code such as "zh"."""
    same = find_language(language).code == find_language(code).code
    return same and is_traditional(language) == is_traditional(code)


def read_messages(path: Path) -> tuple[str, Iterator[Message]]:
    """Read the language of a .po or .mo file, and its messages."""
    if strip_compression(path).suffix.lower() == ".mo":
        return read_mo(path)
    catalog = parse_catalog(path, read_bytes(path))
    return catalog.language, (
        message
        for entry in catalog.entries
        if not is_fuzzy(entry, catalog.lines)
        for message in list_messages(entry)
    )


def is_fuzzy(entry: Entry, lines: list[str]) -> bool:
    """Whether a translation waits for a person's review."""
    line = "" if entry.flags_line is None else lines[entry.flags_line]
    return "fuzzy" in re.split(r"[\s,]+", line)


def list_messages(entry: Entry) -> Iterator[Message]:
    """The translated forms of an entry: none of the header."""
    if entry.sources["msgid"]:
        for keyword, text in entry.translations.items():
            if text:
                yield entry.sources.get("msgctxt", ""), entry.find_source(keyword), text


def read_mo(path: Path) -> tuple[str, Iterator[Message]]:
    """Read a compiled catalog. Raises UserError if it is damaged."""
    data = read_bytes(path)
    order = MAGIC.get(data[:4])
    try:
        if order is None:
            raise ValueError("it does not begin as one")
        _, n, sources, targets = struct.unpack_from(f"{order}4I", data, 4)
        if n > len(data) // 8:
            raise ValueError(f"{n} messages do not fit into it")
        rows = [
            (read_string(data, order, sources + 8 * k), read_string(data, order, targets + 8 * k))
            for k in range(n)
        ]
        header = next((text for message, text in rows if not message), b"").decode("latin-1")
        charset = match[1] if (match := CHARSET.search(header)) else "UTF-8"
        texts = [
            (decode_bytes(a, charset, path), decode_bytes(b, charset, path)) for a, b in rows if a
        ]
    except (ValueError, struct.error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path} is not a compiled catalog ({error}); compile it again with msgfmt"
        ) from error
    match = LANGUAGE.search(header)
    return match[1] if match else "", (m for a, b in texts for m in split_forms(a, b))


def read_string(data: bytes, order: str, at: int) -> bytes:
    length, start = struct.unpack_from(f"{order}2I", data, at)
    if start + length > len(data):
        raise ValueError(f"a text ends behind byte {len(data)}")
    return data[start : start + length]


def split_forms(message: str, text: str) -> Iterator[Message]:
    r"""The forms of a compiled message: "context\4singular\0plural" and "form\0form"."""
    context, mark, rest = message.partition("\4")
    sources, forms = (rest if mark else message).split("\0"), text.split("\0")
    for k, form in enumerate(forms):
        singular = len(sources) == 1 or (k == 0 and len(forms) > 1)
        if form:
            yield context if mark else "", sources[0 if singular else 1], form
