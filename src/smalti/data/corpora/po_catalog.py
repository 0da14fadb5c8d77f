"""gettext message catalogs (.po): their entries, with the lines that they stand in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smalti.core.errors import UserError, shorten

KEYWORD = re.compile(r'(msgctxt|msgid|msgid_plural|msgstr|msgstr\[(\d{1,3})\])\s*(".*")$')
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"$')
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
CHARSET = re.compile(r"charset=([\w.:-]+)")
LANGUAGE = re.compile(r"^Language: *([\w@.-]+)", re.MULTILINE)


@dataclass
class Entry:
    """A message. Line numbers count from 0."""

    start: int
    """Line of msgctxt or msgid."""
    insert_at: int
    """Line before which flags can be inserted: `start`, or that of a previous msgid (#|)."""
    sources: dict[str, str] = field(default_factory=dict)
    """Source texts by keyword: msgctxt, msgid, msgid_plural."""
    translations: dict[str, str] = field(default_factory=dict)
    """Translations by keyword: msgstr, or msgstr[0] and so on."""
    line_ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    """First line of each text and the line after its last, by keyword."""
    flags_line: int | None = None
    """Line of the flags, such as "#, c-format"."""

    @property
    def is_untranslated(self) -> bool:
        """Whether it has a source text and no translation."""
        return bool(self.sources.get("msgid")) and not any(self.translations.values())

    def find_source(self, keyword: str) -> str:
        """The source text of a translation.

        The only form of a language without plurals translates msgid_plural: "%d files".
        """
        singular = keyword == "msgstr" or (keyword == "msgstr[0]" and len(self.translations) > 1)
        return self.sources["msgid"] if singular else self.sources["msgid_plural"]


@dataclass
class Catalog:
    """A .po file."""

    path: Path
    lines: list[str]
    """With line endings."""
    charset: str
    entries: list[Entry]

    @property
    def header(self) -> str:
        headers = [e for e in self.entries if not e.sources["msgid"] and "msgctxt" not in e.sources]
        return headers[0].translations.get("msgstr", "") if headers else ""

    @property
    def language(self) -> str:
        """Language code such as "zh_CN"; "" if the header has none."""
        match = LANGUAGE.search(self.header)
        return match[1] if match else ""

    @property
    def untranslated(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.is_untranslated]


def read_catalog(path: str | Path) -> Catalog:
    """Read a catalog. Raises UserError, naming the line, for other files or encodings."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a .po file")
    return parse_catalog(path, path.read_bytes())


def parse_catalog(path: Path, data: bytes) -> Catalog:
    """Parse the bytes of a catalog. Raises UserError as `read_catalog`."""
    match = CHARSET.search(data[:20_000].decode("latin-1"))
    charset = match[1] if match else "UTF-8"
    if charset == "CHARSET":
        raise UserError(
            f"{path} is a template without a charset; make a catalog from it with msginit first"
        )
    text = decode_bytes(data, charset, path)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return Catalog(path, lines, charset, [*CatalogParser(path, lines)])


def decode_bytes(data: bytes, charset: str, location: object) -> str:
    """Decode bytes. Raises UserError, naming `location`, for bytes invalid in this charset."""
    try:
        return data.decode(charset)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{location}: byte {data[error.start]:#04x} is not {charset}; convert it first, for "
            "example with iconv -f GB18030 -t UTF-8"
        ) from error
    except (LookupError, UnicodeError) as error:  # also a codec that decodes nothing: "undefined"
        raise UserError(f"{location}: charset {shorten(charset)} is unknown; use UTF-8") from error


class CatalogParser:
    """Parses the lines of a catalog into entries."""

    def __init__(self, path: Path, lines: Sequence[str]):
        self.path, self.lines = path, lines
        self.entry: Entry | None = None
        self.keyword = ""
        self.flags_line: int | None = None
        self.insert_at: int | None = None

    def __iter__(self) -> Iterator[Entry]:
        for k, line in enumerate(self.lines):
            line = line.strip().removeprefix("\ufeff")
            if not line or line.startswith("#"):
                yield from self.end_entry(k)
                self.read_comment(k, line)
            elif match := KEYWORD.match(line):
                if match[1] in ("msgctxt", "msgid") and self.keyword.startswith("msgstr"):
                    yield from self.end_entry(k)
                self.begin_string(k, match[1], self.unquote(k, match[3]))
            else:
                self.append_text(k, self.unquote(k, line))
        yield from self.end_entry(len(self.lines))

    def read_comment(self, k: int, line: str) -> None:
        if line.startswith("#,"):
            self.flags_line = k
        elif line.startswith("#|") and self.insert_at is None:
            self.insert_at = k

    def end_entry(self, k: int) -> Iterator[Entry]:
        """Yield the entry that ends before line k, if there is one."""
        entry, self.entry, self.keyword = self.entry, None, ""
        if entry is None:
            return
        if "msgid" not in entry.sources or not entry.translations:
            raise self.make_error(entry.start, "an entry has no msgid or msgstr")
        if ("msgid_plural" in entry.sources) == ("msgstr" in entry.translations):
            raise self.make_error(entry.start, "msgid_plural needs msgstr[0] and so on")
        self.flags_line = self.insert_at = None
        yield entry

    def begin_string(self, k: int, keyword: str, text: str) -> None:
        if self.entry is None:
            insert_at = k if self.insert_at is None else self.insert_at
            self.entry = Entry(k, insert_at, flags_line=self.flags_line)
        self.keyword = keyword
        if keyword in self.entry.sources or keyword in self.entry.translations:
            raise self.make_error(k, f"second {keyword} in an entry")
        self.append_text(k, text)

    def append_text(self, k: int, text: str) -> None:
        if self.entry is None:
            raise self.make_error(k, "text outside of an entry")
        kind = self.entry.translations if self.keyword.startswith("msgstr") else self.entry.sources
        kind[self.keyword] = kind.get(self.keyword, "") + text
        first, _ = self.entry.line_ranges.get(self.keyword, (k, k))
        self.entry.line_ranges[self.keyword] = first, k + 1

    def unquote(self, k: int, line: str) -> str:
        match = STRING.match(line)
        if match is None:
            wrong = f"{shorten(line)} is not valid in a .po file; check it with msgfmt -c"
            raise self.make_error(k, wrong)
        return ESCAPE.sub(unescape, match[1])

    def make_error(self, k: int, text: str) -> UserError:
        return UserError(f"{self.path}, line {k + 1}: {text}")


def unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code[0] in "01234567" else ESCAPES.get(code, code)
