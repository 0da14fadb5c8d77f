"""The file: a magic, a header as deflated JSON, a payload; docs/compression.md describes it."""

from __future__ import annotations

import gc
import json
import struct
import typing
import zlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from smalti.coding import limits
from smalti.coding.limits import is_text
from smalti.coding.names import check_names
from smalti.core.brief import brief
from smalti.core.config import fitted
from smalti.core.errors import UserError

MAGIC = b"smalti\x00"
FORMAT = 1
PREFIX = struct.Struct("<7sBII")
"""Magic, format, the header's length, its CRC-32."""
WORD = 4
"""Bytes of a word of the payload."""
LONG = {"labels": int, "text": str, "names": str}
"""Fields that have a value for each picture."""
SHOWN = 120
"""Characters of what is wrong in a header, at most, in the line about it."""


@dataclass(frozen=True)
@brief
class Header:
    """What a file of compressed pictures records beside their bits."""

    model: str
    """SHA-256 of the model, as `core.fingerprint.model_hash` has it."""
    name: str
    """What the model was called, for `smalti decompress` to load it."""
    count: int
    """N, the number of pictures."""
    shape: tuple[int, int, int]
    """C, H and W of each."""
    batch: int
    """Pictures of one walk; the last walk has what is left."""
    threads: int
    """PyTorch's threads while they were compressed."""
    units: str
    """The processor's vector units."""
    surroundings: tuple[tuple[str, str], ...]
    """Versions, and the type and device of the weights."""
    pictures: str
    """SHA-256 of the pixels, uint8 in the order (N, C, H, W)."""
    payload: int
    """Bytes of the payload."""
    checksum: int
    """CRC-32 of the payload."""
    labels: tuple[int, ...] | None = None
    """The classes that the pictures are compressed under."""
    text: tuple[str, ...] | None = None
    """The captions that they are compressed under."""
    names: tuple[str, ...] | None = None
    """What their files are called."""


def to_bytes(header: Header, payload: bytes) -> bytes:
    told = zlib.compress(as_json(header), 9)
    return PREFIX.pack(MAGIC, FORMAT, len(told), zlib.crc32(told)) + told + payload


def as_json(header: Header) -> bytes:
    """UserError for a header that would not be read again."""
    written = json.dumps(asdict(header), separators=(",", ":")).encode()
    if len(written) > limits.HEADER:
        raise UserError(
            f"names and captions of {header.count:,} pictures take {len(written):,} bytes, and a "
            f"file takes {limits.HEADER:,}; compress them into several"
        )
    return written


def from_bytes(data: bytes) -> tuple[Header, bytes]:
    """Header and payload, both whole. UserError for what is something else, cut or damaged."""
    header, start = read_start(data)
    payload = data[start:]
    if len(payload) < header.payload:
        raise UserError(
            f"truncated: {len(data)} bytes are here, and {start + header.payload} were written; "
            "fetch it anew"
        )
    if len(payload) > header.payload or zlib.crc32(payload) != header.checksum:
        raise UserError("damaged: the bits are not those that were written; fetch it anew")
    if len(payload) % WORD:
        raise UserError("damaged: its bits end inside a word; fetch it anew")
    return header, payload


def read_file(path: str | Path) -> bytes:
    """A file's bytes. What cannot be one is refused before it is in memory."""
    place = Path(path)
    if place.exists() and not place.is_file():
        raise UserError("not a file; give one that `smalti compress` wrote")
    with place.open("rb") as file:
        start = file.read(PREFIX.size)
        length = PREFIX.unpack(start)[2] if len(start) == PREFIX.size else 0
        start += file.read(min(length, limits.HEADER))
        header, begin = read_start(start)
        written, here = begin + header.payload, place.stat().st_size
        if here > written:
            raise UserError(f"damaged: {here} bytes are here, and {written} were written")
        return start + file.read()


def read_header(data: bytes) -> Header:
    """What a file records; its payload is not looked at. UserErrors as `from_bytes` has them."""
    return read_start(data)[0]


def read_start(data: bytes) -> tuple[Header, int]:
    """The header, and where the payload begins."""
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise UserError("not written by `smalti compress`; give a file that is")
    if len(data) < PREFIX.size:
        raise UserError(f"truncated: {len(data)} bytes are here, less than a header; fetch it anew")
    _, form, length, checksum = PREFIX.unpack_from(data)
    if form != FORMAT:
        raise UserError(f"of format {form}; this smalti reads {FORMAT}")
    told = data[PREFIX.size : PREFIX.size + length]
    if len(told) < length:
        raise UserError(f"truncated: {len(data)} bytes are here, and more were written")
    if zlib.crc32(told) != checksum:
        raise UserError("damaged: the header is not the one that was written; fetch it anew")
    return parsed(told), PREFIX.size + length


@lru_cache(maxsize=1)
def parsed(told: bytes) -> Header:
    """UserError for a header that smalti does not write, whoever wrote it."""
    try:
        opened = zlib.decompressobj()
        values = read_object(opened.decompress(told, limits.HEADER))
        long: dict[str, Any] = {
            k: as_tuple(k, values.pop(k, None), kind) for k, kind in LONG.items()
        }
        hints = typing.get_type_hints(Header)
        header = Header(**{k: fitted(v, hints[k], k) for k, v in values.items()}, **long)
        check_counts(header)
        check_texts(header)
        check_names(header.names or ())
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"its header is none that smalti writes: {str(error)[:SHOWN]}") from error
    return header


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object."""
    watched = gc.isenabled()
    gc.disable()  # or millions of values are looked through again and again
    try:
        values = json.loads(text)
    finally:
        if watched:
            gc.enable()
    if not isinstance(values, dict):
        raise UserError("it is no JSON object")
    return values


def as_tuple(name: str, values: object, kind: type) -> tuple[Any, ...] | None:
    """A list of one type, for millions of which there is no time to look at each at length."""
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise UserError(f"{name} are no list of {kind.__name__}")
    return tuple(values)


def check_counts(header: Header) -> None:
    if min(header.count, header.batch, *header.shape) < 1:
        raise UserError("it counts less than one")
    limits.check_size(header.count, header.shape, header.batch)
    if not 0 <= header.payload <= limits.most_bytes(header.count, header.shape):
        raise UserError(f"{header.payload} bytes for {header.count} pictures")
    for name in ("labels", "text", "names"):
        values = getattr(header, name)
        if values is not None and len(values) != header.count:
            raise UserError(f"{len(values)} {name} for {header.count} pictures")


def check_texts(header: Header) -> None:
    told = (word for pair in header.surroundings for word in pair)
    for word in (header.model, header.name, header.units, header.pictures, *told):
        if len(word) > limits.TEXT:
            raise UserError(f"too long is {word[: SHOWN // 2]!r} ...")
    for word in (header.name, *(header.text or ())):
        if not is_text(word):
            raise UserError(f"{word[:SHOWN]!r} cannot be written as UTF-8; call it otherwise")
