"""Translation memories: TMX files, of which two languages are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.gettext_files import is_language
from smalti.data.corpora.pair import LanguagePair, SentencePair
from smalti.data.corpora.xml_events import parse_xml

NATIVE_CODE = {"bpt", "ept", "it", "ph", "ut"}
"""Elements whose text is formatting code of some program, not of the language."""
DOCUMENT_PROPERTIES = {"document", "file", "x-document", "x-file"}


class Units:
    """Collects the translation units of a file."""

    def __init__(self, languages: LanguagePair):
        self.languages = languages
        self.pairs: list[SentencePair] = []
        self.other_languages: set[str] = set()
        self.document = ""
        self.texts: dict[int, str] = {}
        self.side: int | None = None
        self.parts: list[str] | None = None
        self.is_property = False
        self.depth_of_code = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "tu":
            self.texts, self.document = {}, ""
        elif tag == "tuv":
            language = attributes.get("xml:lang") or attributes.get("lang", "")
            self.side = self.find_side(language)
        elif tag == "seg":
            self.parts = []
        elif tag == "prop":
            self.is_property = attributes.get("type", "").lower() in DOCUMENT_PROPERTIES
            self.parts = [] if self.is_property else None
        elif tag in NATIVE_CODE:
            self.depth_of_code += 1

    def find_side(self, language: str) -> int | None:
        for side, code in enumerate(self.languages):
            if is_language(language, code):
                return side
        self.other_languages.add(language)
        return None

    def add_text(self, text: str) -> None:
        if self.parts is not None and not self.depth_of_code:
            self.parts.append(text)

    def end(self, tag: str) -> None:
        if tag in NATIVE_CODE:
            self.depth_of_code -= 1
        elif tag == "seg":
            if self.side is not None:
                self.texts.setdefault(self.side, " ".join("".join(self.parts or ()).split()))
            self.parts = None
        elif tag == "prop" and self.is_property:
            self.document, self.parts, self.is_property = "".join(self.parts or ()), None, False
        elif tag == "tu" and len(self.texts) == 2:
            self.pairs.append(SentencePair(self.texts[0], self.texts[1], self.document))


def read_tmx(path: Path, languages: LanguagePair) -> Iterator[SentencePair]:
    """Yield the units that have both languages; formatting codes are omitted."""
    units = Units(languages)
    parse_xml(path, units.start, units.end, units.add_text, entities=False)
    if not units.pairs:
        others = ", ".join(sorted(units.other_languages - {""})) or "no language"
        raise UserError(
            f"{path} has no unit in {' and '.join(languages)} (but {others}); name the languages "
            "with --languages"
        )
    yield from units.pairs
