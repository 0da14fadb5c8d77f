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
from smalti.coding.file_names import check_names
from smalti.coding.limits import is_text
from smalti.core.config import coerce_value
from smalti.core.errors import UserError
from smalti.core.short_repr import add_short_repr

MAGIC = b"smalti\x00"
FORMAT = 2
PREFIX = struct.Struct("<7sBII")
"""Magic, format, the header's length, its CRC-32."""
WORD_BYTES = 4
"""Bytes of a word of the payload."""
PER_PICTURE_FIELDS = {"labels": int, "text": str, "file_names": str}
"""Fields that have a value for each picture."""
MAX_SHOWN = 120
"""Characters of what is wrong in a header, at most, in the line about it."""


@dataclass(frozen=True)
@add_short_repr
class Header:
    """What a file of compressed pictures records beside their bits."""

    model_hash: str
    """SHA-256 of the model, as `core.fingerprint.model_hash` has it."""
    model_name: str
    """What the model was called, for `smalti decompress` to load it."""
    count: int
    """N, the number of pictures."""
    shape: tuple[int, int, int]
    """C, H and W of each."""
    batch_size: int
    """Pictures of one walk; the last walk has what is left."""
    threads: int
    """PyTorch's threads while they were compressed."""
    vector_units: str
    """The processor's vector units."""
    environment: tuple[tuple[str, str], ...]
    """Versions, and the type and device of the weights."""
    pixels_hash: str
    """SHA-256 of the pixels, uint8 in the order (N, C, H, W)."""
    payload_bytes: int
    """Bytes of the payload."""
    checksum: int
    """CRC-32 of the payload."""
    labels: tuple[int, ...] | None = None
    """The classes that the pictures are compressed under."""
    text: tuple[str, ...] | None = None
    """The captions that they are compressed under."""
    file_names: tuple[str, ...] | None = None
    """What their files are called."""


def to_bytes(header: Header, payload: bytes) -> bytes:
    compressed = zlib.compress(encode_header(header), 9)
    return (
        PREFIX.pack(MAGIC, FORMAT, len(compressed), zlib.crc32(compressed)) + compressed + payload
    )


def encode_header(header: Header) -> bytes:
    """UserError for a header that would not be read again."""
    written = json.dumps(asdict(header), separators=(",", ":")).encode()
    if len(written) > limits.MAX_HEADER_BYTES:
        raise UserError(
            f"names and captions of {header.count:,} pictures take {len(written):,} bytes, and a "
            f"file takes {limits.MAX_HEADER_BYTES:,}; compress them into several"
        )
    return written


def from_bytes(data: bytes) -> tuple[Header, bytes]:
    """Header and payload, both whole. UserError for what is something else, cut or damaged."""
    header, start = read_header_and_offset(data)
    payload = data[start:]
    if len(payload) < header.payload_bytes:
        raise UserError(
            f"truncated: {len(data)} bytes are here, and {start + header.payload_bytes} were written; "
            "fetch it anew"
        )
    if len(payload) > header.payload_bytes or zlib.crc32(payload) != header.checksum:
        raise UserError("damaged: the bits are not those that were written; fetch it anew")
    if len(payload) % WORD_BYTES:
        raise UserError("damaged: its bits end inside a word; fetch it anew")
    return header, payload


def read_file(path: str | Path) -> bytes:
    """A file's bytes. What cannot be one is refused before it is in memory."""
    file_path = Path(path)
    if file_path.exists() and not file_path.is_file():
        raise UserError("not a file; give one that `smalti compress` wrote")
    with file_path.open("rb") as file:
        start = file.read(PREFIX.size)
        length = PREFIX.unpack(start)[2] if len(start) == PREFIX.size else 0
        start += file.read(min(length, limits.MAX_HEADER_BYTES))
        header, begin = read_header_and_offset(start)
        expected, actual = begin + header.payload_bytes, file_path.stat().st_size
        if actual > expected:
            raise UserError(f"damaged: {actual} bytes are here, and {expected} were written")
        return start + file.read()


def read_header(data: bytes) -> Header:
    """What a file records; its payload is not looked at. UserErrors as `from_bytes` has them."""
    return read_header_and_offset(data)[0]


def read_header_and_offset(data: bytes) -> tuple[Header, int]:
    """The header, and where the payload begins."""
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise UserError("not written by `smalti compress`; give a file that is")
    if len(data) < PREFIX.size:
        raise UserError(f"truncated: {len(data)} bytes are here, less than a header; fetch it anew")
    _, version, length, checksum = PREFIX.unpack_from(data)
    if version != FORMAT:
        raise UserError(f"of format {version}; this smalti reads {FORMAT}")
    compressed = data[PREFIX.size : PREFIX.size + length]
    if len(compressed) < length:
        raise UserError(f"truncated: {len(data)} bytes are here, and more were written")
    if zlib.crc32(compressed) != checksum:
        raise UserError("damaged: the header is not the one that was written; fetch it anew")
    return decode_header(compressed), PREFIX.size + length


@lru_cache(maxsize=1)
def decode_header(compressed: bytes) -> Header:
    """UserError for a header that smalti does not write, whoever wrote it."""
    try:
        inflater = zlib.decompressobj()
        values = parse_json_object(inflater.decompress(compressed, limits.MAX_HEADER_BYTES))
        per_picture: dict[str, Any] = {
            k: to_typed_tuple(k, values.pop(k, None), kind)
            for k, kind in PER_PICTURE_FIELDS.items()
        }
        hints = typing.get_type_hints(Header)
        header = Header(
            **{k: coerce_value(v, hints[k], k) for k, v in values.items()}, **per_picture
        )
        check_counts(header)
        check_texts(header)
        check_names(header.file_names or ())
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"its header is none that smalti writes: {str(error)[:MAX_SHOWN]}"
        ) from error
    return header


def parse_json_object(text: bytes) -> dict[str, Any]:
    """A JSON object."""
    was_enabled = gc.isenabled()
    gc.disable()  # or millions of values are looked through again and again
    try:
        values = json.loads(text)
    finally:
        if was_enabled:
            gc.enable()
    if not isinstance(values, dict):
        raise UserError("it is no JSON object")
    return values


def to_typed_tuple(name: str, values: object, kind: type) -> tuple[Any, ...] | None:
    """A list of one type, for millions of which there is no time to look at each at length."""
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise UserError(f"{name} are no list of {kind.__name__}")
    return tuple(values)


def check_counts(header: Header) -> None:
    if min(header.count, header.batch_size, *header.shape) < 1:
        raise UserError("it counts less than one")
    limits.check_size(header.count, header.shape, header.batch_size)
    if not 0 <= header.payload_bytes <= limits.compute_max_bytes(header.count, header.shape):
        raise UserError(f"{header.payload_bytes} bytes for {header.count} pictures")
    for name in ("labels", "text", "file_names"):
        values = getattr(header, name)
        if values is not None and len(values) != header.count:
            raise UserError(f"{len(values)} {name} for {header.count} pictures")


def check_texts(header: Header) -> None:
    environment = (word for pair in header.environment for word in pair)
    for word in (
        header.model_hash,
        header.model_name,
        header.vector_units,
        header.pixels_hash,
        *environment,
    ):
        if len(word) > limits.MAX_TEXT_LENGTH:
            raise UserError(f"too long is {word[: MAX_SHOWN // 2]!r} ...")
    for word in (header.model_name, *(header.text or ())):
        if not is_text(word):
            raise UserError(f"{word[:MAX_SHOWN]!r} cannot be written as UTF-8; call it otherwise")
