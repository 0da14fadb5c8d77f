"""Messages of programs in JSON: a file for each language, with the same keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.corpora.line_files import SURROGATE
from smalti.data.corpora.pair import SentencePair
from smalti.data.corpora.text_file import read_text

MAX_DEPTH = 50


def read_json_messages(source: Path, target: Path) -> Iterator[SentencePair]:
    """Yield the texts of the keys that both files have; keys that begin with @ are not messages."""
    others = dict(read_keys(target))
    n_shared = 0
    for key, text in read_keys(source):
        if key in others:
            n_shared += 1
            yield SentencePair(text, others[key])
    if not n_shared:
        raise UserError(f"{source} and {target} have no key in common; give files of one program")


def read_keys(path: Path) -> Iterator[tuple[str, str]]:
    """Yield keys, with those of outer objects before them, and texts."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}; it is not JSON") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested too deeply; it is no file of messages") from error
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is not JSON ({error})") from error
    if not isinstance(content, dict | list):
        raise UserError(f"{path} has no keys; give an object of messages")
    yield from flatten(content, "", 0)


def flatten(content: object, key: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(content, str):
        yield key, SURROGATE.sub("\ufffd", content)
    elif isinstance(content, dict | list) and depth < MAX_DEPTH:
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for name, value in items:
            if not str(name).startswith("@"):
                yield from flatten(value, f"{key}/{name}", depth + 1)
