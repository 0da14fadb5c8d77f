"""Blocks of text of a page: HTML, Mallard or DocBook."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.text_file import read_text, strip_compression
from smalti.data.corpora.xml_events import parse_xml

XML_SUFFIXES = (".page", ".docbook", ".dbk", ".xml")
TEXT_NAMES = """
p h1 h2 h3 h4 h5 h6 td th li dt dd title caption figcaption pre para simpara term entry desc
subtitle bridgehead screen programlisting synopsis summary option"""
TEXT_BLOCKS = {*TEXT_NAMES.split()}
"""Elements of which each is a block of text."""
CONTAINER_NAMES = """
div ul ol dl table tr body section article blockquote address header footer main code-block
listitem varlistentry media info page terms steps list tree item example note listing
informalexample itemizedlist orderedlist variablelist figure tbody row sect1 sect2 sect3 sect4
chapter appendix book warning tip important caution"""
CONTAINERS = {*CONTAINER_NAMES.split()}
"""Elements that hold blocks; they end a block, too."""
SKIPPED = {"script", "style", "head", "nav", "template", "credit", "mal:credit", "revision"}
LITERAL = {"pre", "screen", "programlisting", "synopsis", "code-block"}
"""Blocks of code: they help to align others, and are not yielded."""
SEPARATORS = {"guiseq": " > ", "menuchoice": " > ", "keyseq": "+", "keycombo": "+"}
"""What stands between the parts of these in a page that is shown: "File > Open", "Ctrl+Z"."""
PARTS = {"gui", "key", "guimenu", "guimenuitem", "guisubmenu", "guibutton", "keycap"}
REFERENCES = {"xref", "link"}
"""Empty elements whose text a viewer fills in; a block that has one is not a sentence."""
VOID = {"br", "hr", "img", "input", "meta", "link", "wbr", "col", "area", "base", "source"}
LONG_REFERENCE = re.compile(r"&#\d{100,};?")
"""A number that is no character, and too long for Python to read."""
SPACES = re.compile(r"[\s\u00a0\u200b]+")
LOOSE_SPACE = re.compile(r" (?=[.,](?: |$))")
"""A space that the markup leaves before a full stop: <gui>Delete </gui>."""
WIDE_SPACE = re.compile(
    "(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]) (?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])"
)


@dataclass(frozen=True)
class Block:
    """A block of text."""

    kind: str
    """The element around it."""
    text: str
    anchor: str = ""
    """The last id before it: the same in all languages."""
    is_literal: bool = False
    """Whether it is code, or misses the text of a reference."""


class BlockBuilder:
    """Collects the blocks of a page from its tags and texts."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.open: list[str] = []
        self.parts: list[str] = []
        self.n_skipped = self.n_literal = 0
        self.separators: list[list[str]] = []
        self.anchor = ""
        self.has_gap = False
        self.last_start = ""

    def end_block(self) -> None:
        text = tidy_text("".join(self.parts))
        if text or self.has_gap:
            kind = next((tag for tag in reversed(self.open) if tag in TEXT_BLOCKS), "")
            literal = bool(self.n_literal) or self.has_gap
            self.blocks.append(Block(kind, text, self.anchor, literal))
        self.parts, self.has_gap = [], False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in SKIPPED:
            self.n_skipped += 1
        if self.n_skipped:
            return
        if tag == "code" and self.is_between_blocks():
            tag = "code-block"
        if tag in TEXT_BLOCKS or tag in CONTAINERS or tag in LITERAL:
            self.end_block()
            self.n_literal += tag in LITERAL
            self.open.append(tag)
        elif tag == "code":
            self.open.append(tag)
        elif tag == "br":
            self.parts.append(" ")
        if anchor := attributes.get("xml:id") or attributes.get("id") or attributes.get("name"):
            self.anchor = anchor if not self.parts else self.anchor
        if tag in SEPARATORS:
            self.separators.append([SEPARATORS[tag], ""])
        elif tag in PARTS and self.separators:
            separator, used = self.separators[-1]
            self.parts.append(separator if used else "")
            self.separators[-1][1] = "used"
        self.last_start = tag if tag in REFERENCES else ""

    def is_between_blocks(self) -> bool:
        """Whether an element <code> here is a block of its own, as in Mallard's sections."""
        inner = self.open[-1] if self.open else ""
        return inner in {"page", "section", "note", "listing", "example", "item"} and not (
            "".join(self.parts).strip()
        )

    def add_text(self, text: str) -> None:
        if not self.n_skipped:
            self.parts.append(text)
            self.last_start = ""

    def end(self, tag: str) -> None:
        if tag in SKIPPED:
            self.n_skipped = max(0, self.n_skipped - 1)
        if self.n_skipped:
            return
        if tag in REFERENCES and self.last_start == tag:
            self.has_gap = True
        self.last_start = ""
        if tag == "code" and "code" not in self.open and "code-block" in self.open:
            tag = "code-block"
        if tag in SEPARATORS and self.separators:
            self.separators.pop()
        if tag in TEXT_BLOCKS or tag in CONTAINERS or tag in LITERAL:
            self.end_block()
            self.close_up_to(tag)
        elif tag == "code":
            self.close_up_to(tag)

    def close_up_to(self, tag: str) -> None:
        """Close the innermost element of this name, and those inside of it; pages omit end tags."""
        if tag in self.open:
            while True:
                closed = self.open.pop()
                self.n_literal -= closed in LITERAL
                if closed == tag:
                    break


class HTMLBlocks(HTMLParser):
    """Feeds a builder from HTML."""

    def __init__(self, builder: BlockBuilder):
        super().__init__(convert_charrefs=True)
        self.builder = builder

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        open_elements = self.builder.open
        implied = {"p", "li", "dt", "dd", "td", "th", "tr"}
        if tag in implied and open_elements and open_elements[-1] == tag:
            self.builder.end(tag)  # HTML omits some end tags
        self.builder.start(tag, {name: value or "" for name, value in attrs})

    def handle_startendtag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.add_text(data)


def read_blocks(path: Path) -> list[Block]:
    """Read the blocks of a page. Raises UserError for XML that is not well-formed."""
    builder = BlockBuilder()
    if strip_compression(path).suffix.lower() in XML_SUFFIXES:
        parse_xml(path, builder.start, builder.end, builder.add_text, entities=True)
    else:
        parser = HTMLBlocks(builder)
        try:
            parser.feed(remove_long_references(read_text(path)))
            parser.close()
        except AssertionError as error:
            raise UserError(f"{path} is not HTML ({error})") from error
    builder.end_block()
    return builder.blocks


def remove_long_references(text: str) -> str:
    return LONG_REFERENCE.sub("\ufffd", text)


def tidy_text(text: str) -> str:
    """Join the lines of a text, without spaces before a full stop or between Chinese characters."""
    return LOOSE_SPACE.sub("", WIDE_SPACE.sub("", SPACES.sub(" ", text).strip()))
