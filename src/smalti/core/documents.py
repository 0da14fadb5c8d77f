"""JSON and YAML that somebody wrote: read whole, or refused in a line, whatever is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError

MAX_BYTES, MAX_YAML_BYTES = 2**25, 2**20
"""Bytes of a file; YAML is read slowly."""
NESTED_TYPES = (dict, list, tuple, set)
MAX_DEPTH = 64
"""Lists and mappings inside one another."""


def read_json(path: str | Path) -> Any:
    """The JSON in a file. UserError, which names it, when there is none."""
    return parse_json(read_text(Path(path)), path)


def read_json_object(path: str | Path) -> dict[str, Any]:
    """The one JSON object in a file. UserError when it holds something else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; is it the right file?")
    return content


def parse_json(text: str, source: str | Path) -> Any:
    """The value of a JSON text. UserError, which names `source`, when it is none, or too deep."""
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is not JSON: {to_one_line(error)}") from error
    check_depth(value, source)
    return value


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def read_yaml_object(path: str | Path) -> dict[str, Any]:
    """The one mapping in a YAML file, of plain values. UserError for another, and for aliases,
    by which a small file can stand for one of any size.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias (*NAME); write the value itself")
            return super().compose_node(parent, index)

    try:
        content = yaml.load(read_text(Path(path), MAX_YAML_BYTES), Loader)  # it is a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise UserError(f"{path} is not YAML: {to_one_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no YAML mapping; give the model's config as one")
    check_depth(content, path)
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file. UserError when it is not there, not a file, too large, or not UTF-8."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is no file; give the file itself")
        if path.stat().st_size > max_bytes:
            raise UserError(f"{path} is larger than {max_bytes >> 20} MB; is it the right file?")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {to_one_line(error)}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def check_depth(value: object, source: str | Path) -> None:
    """UserError for values that are nested too deeply for whatever walks through them."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, NESTED_TYPES)
        ]
        level = [entry for values in inner for entry in values]
        if not level:
            return
    raise UserError(f"{source} has more than {MAX_DEPTH} lists or objects inside one another")


def to_one_line(error: Exception) -> str:
    """What a parser says, in part where it is long."""
    if isinstance(error, RecursionError):
        return "too many lists or objects inside one another"
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-70:]}"
