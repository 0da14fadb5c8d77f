"""Parse XML of unknown origin: in pieces, without loading other files, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from html.entities import html5
from pathlib import Path
from xml.parsers import expat

from smalti.core.errors import UserError
from smalti.data.corpora.text_file import read_bytes

MAX_EXPANSION, FREE_CHARACTERS = 100, 2**23
"""Text may be FREE_CHARACTERS, or this multiple of the file: more comes from entities that are
made to fill the memory (Expat 2.4 and later refuse them, too)."""

StartHandler = Callable[[str, dict[str, str]], None]
TextHandler = Callable[[str], None]


def parse_xml(
    path: Path, start: StartHandler, end: TextHandler, text: TextHandler, *, entities: bool
) -> None:
    """Call the handlers for the tags and texts of a file.

    entities: whether a file may declare entities of its own, as DocBook does. External ones are
    never loaded; characters such as &nbsp; are known.
    Raises UserError, telling the line, for XML that is not well-formed.
    """
    data = read_bytes(path)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    most, n_characters = max(FREE_CHARACTERS, MAX_EXPANSION * len(data)), 0

    def make_error(reason: str) -> UserError:
        return UserError(f"{path}, line {parser.CurrentLineNumber}: {reason}")

    def count_text(part: str) -> None:
        nonlocal n_characters
        n_characters += len(part)
        if n_characters > most:
            raise make_error("its entities expand to more than 100 times the file")
        text(part)

    def refuse_entity(name: str, *_: object) -> None:
        raise make_error(f"declares the entity {name!r}; remove it")

    def add_named_character(name: str, *_: object) -> None:
        text(html5.get(f"{name};", ""))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = count_text
    if entities:
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        # As if it named a DTD: then entities that it does not declare are skipped, not refused.
        parser.UseForeignDTD(True)
        parser.SkippedEntityHandler = add_named_character
    else:
        parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise UserError(
            f"{path}, line {error.lineno}: {reason}; check it with xmllint --noout"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that Python lacks
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: {error}; convert it to UTF-8") from error
