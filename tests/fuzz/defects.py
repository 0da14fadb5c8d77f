"""Defects of bytes, JSON and text, whatever their format."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Bytes = Callable[[bytes], bytes]
DEEP = 100_000
HUGE = 10**18

# ---- bytes

PARTS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97)


def bytes_defects(size: int, head: int = 32, step: int = 1) -> Iterator[tuple[str, Bytes]]:
    """Yield defects: truncated, empty, longer, noise, each of the first `head` bytes inverted."""
    yield "empty", lambda data: b""
    yield "one byte", lambda data: data[:1]
    for part in PARTS:
        yield f"cut at {part:.0%}", lambda data, p=part: data[: int(p * len(data))]
    yield "last byte lost", lambda data: data[:-1]
    yield "grown", lambda data: data + bytes(range(256))
    yield "zeros", lambda data: bytes(len(data))
    for place in range(0, min(head, size), step):
        yield f"byte {place} inverted", lambda data, p=place: invert_byte(data, p)
    for seed in range(8):
        yield f"noise {seed}", lambda data, s=seed: replace_bytes(data, s)


def invert_byte(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def replace_bytes(data: bytes, seed: int) -> bytes:
    """Replace about one byte in fifty."""
    rng, content = random.Random(seed), bytearray(data)
    for _ in range(1 + len(content) // 50):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def set_field(data: bytes, place: int, value: int, width: int, order: Any = "little") -> bytes:
    field = (value % (1 << (8 * width))).to_bytes(width, order)
    return data[:place] + field + data[place + width :]


def field_defects(
    fields: dict[str, tuple[int, int]], order: Any = "little"
) -> Iterator[tuple[str, Bytes]]:
    """Set each field, by offset and width, to values at and near the ends of its range."""
    for name, (place, width) in fields.items():
        top = (1 << (8 * width)) - 1
        for value in (0, 1, top // 2 + 1, top - 1, top):
            yield (
                f"{name} = {value:#x}",
                lambda data, p=place, v=value, w=width: set_field(data, p, v, w, order),
            )


# ---- JSON

Raw = type("Raw", (str,), {})
"""Text inserted verbatim into a JSON document, which `json.dumps` would not write."""

VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "text": "no",
    "a list": [],
    "an object": {},
    "-1": -1,
    "0": 0,
    "a half": 0.5,
    "huge": HUGE,
    "NaN": Raw("NaN"),
    "Infinity": Raw("Infinity"),
    "1e308": 1e308,
    "5000 digits": Raw("9" * 5000),
    "long text": "x" * 100_000,
    "half a surrogate": "\ud800",
    "deep lists": Raw("[" * DEEP + "]" * DEEP),
}
FEW = ("null", "text", "an object", "-1", "huge", "NaN")
"""For documents with very many fields."""

JSONS: dict[str, Callable[[str], bytes]] = {
    "empty": lambda text: b"",
    "cut": lambda text: text[: len(text) // 2].encode(),
    "a list": lambda text: f"[{text}]".encode(),
    "a number": lambda text: b"1",
    "null": lambda text: b"null",
    "an empty object": lambda text: b"{}",
    "not UTF-8": lambda text: b"\xff\xfe" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "zeros": lambda text: bytes(100),
    "deep lists": lambda text: b"[" * DEEP,
    "deep objects": lambda text: b'{"a":' * DEEP,
    "twice": lambda text: (text + text).encode(),
    "5000 digits": lambda text: b"9" * 5000,
}


def list_paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the paths of all values of a document; only the first entry of a list."""
    if before:
        yield before
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from list_paths(inner, (*before, key))
    elif isinstance(value, list) and value:
        yield from list_paths(value[0], (*before, 0))


def json_defects(
    document: Any, values: tuple[str, ...] = tuple(VALUES), omit: tuple[str, ...] = ()
) -> Iterator[tuple[str, bytes]]:
    """Yield the document with each field missing or replaced, and invalid documents."""
    text = json.dumps(document)
    for name, make in JSONS.items():
        yield name, make(text)
    for path in list_paths(document):
        if path[0] in omit:
            continue
        title = ".".join(map(str, path))
        yield (
            f"{title} lost",
            dump_json(change_value(document, path, lambda inner, key: inner.pop(key))),
        )
        for name in values:
            yield f"{title} is {name}", dump_json(replace_value(document, path, VALUES[name]))


def replace_value(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    return change_value(document, path, lambda inner, key: inner.__setitem__(key, value))


def change_value(document: Any, path: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> Any:
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return document


def dump_json(document: Any) -> bytes:
    """Dump JSON with `Raw` texts inserted verbatim."""
    raws: list[str] = []

    def mark(value: Any) -> Any:
        if isinstance(value, Raw):
            raws.append(value)
            return f"@{len(raws) - 1}@"
        if isinstance(value, dict):
            return {key: mark(inner) for key, inner in value.items()}
        return [mark(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(mark(document))
    for k, raw in enumerate(raws):
        text = text.replace(f'"@{k}@"', raw)
    return text.encode()
