"""Read JSON and YAML files safely: any content gives a value or a UserError of one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError

MAX_BYTES, MAX_YAML_BYTES = 2**25, 2**20
"""Maximum bytes of a file; YAML is slow to parse."""
NESTED_TYPES = (dict, list, tuple, set)
MAX_DEPTH = 64
"""Maximum nesting of lists and mappings."""


def read_json(path: str | Path) -> Any:
    """Read a JSON file. UserError, which names the file, if it is not JSON."""
    return parse_json(read_text(Path(path)), path)


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a file with one JSON object. UserError if it contains something else."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} does not contain a JSON object; is it the right file?")
    return content


def parse_json(text: str, source: str | Path) -> Any:
    """Parse a JSON text. UserError, which names `source`, if it is invalid or nested too deeply."""
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is not JSON: {to_one_line(error)}") from error
    check_depth(value, source)
    return value


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def read_yaml_object(path: str | Path) -> dict[str, Any]:
    """Read a YAML file with one mapping of plain values.

    UserError for anything else, and for aliases, with which a small file can expand to any size.
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
        raise UserError(f"{path} does not contain a YAML mapping; give the model's config as one")
    check_depth(content, path)
    return content


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Read a text file. UserError if it is missing, not a file, too large, or not UTF-8."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is not a file; give a file")
        if path.stat().st_size > max_bytes:
            raise UserError(f"{path} is larger than {max_bytes >> 20} MB; is it the right file?")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text: {to_one_line(error)}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def check_depth(value: object, source: str | Path) -> None:
    """UserError for values nested too deeply for recursive functions."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [
            v.values() if isinstance(v, dict) else v for v in level if isinstance(v, NESTED_TYPES)
        ]
        level = [entry for values in inner for entry in values]
        if not level:
            return
    raise UserError(f"{source} has more than {MAX_DEPTH} nested lists or objects")


def to_one_line(error: Exception) -> str:
    """Format a parser's message in one line, shortened if it is long."""
    if isinstance(error, RecursionError):
        return "too many nested lists or objects"
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-70:]}"
