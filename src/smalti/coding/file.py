"""The file format: magic, header as deflated JSON, payload; see docs/compression.md."""

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
"""Bytes per word of the payload."""
PER_PICTURE_FIELDS = {"labels": int, "text": str, "file_names": str}
"""Fields with one value per picture."""
MAX_SHOWN = 120
"""Characters of a faulty header value shown in an error, at most."""


@dataclass(frozen=True)
@add_short_repr
class Header:
    """The header of a file of compressed pictures."""

    model_hash: str
    """SHA-256 of the model, by `core.fingerprint.hash_model`."""
    model_name: str
    """Name of the model, from which `smalti decompress` loads it."""
    count: int
    """N, the number of pictures."""
    shape: tuple[int, int, int]
    """C, H and W of each picture."""
    batch_size: int
    """Pictures per walk; the last walk may have fewer."""
    threads: int
    """Number of PyTorch threads during compression."""
    vector_units: str
    """The processor's vector units."""
    environment: tuple[tuple[str, str], ...]
    """Versions, and the dtype and device of the weights."""
    pixels_hash: str
    """SHA-256 of the pixels, uint8 in the order (N, C, H, W)."""
    payload_bytes: int
    """Size of the payload in bytes."""
    checksum: int
    """CRC-32 of the payload."""
    labels: tuple[int, ...] | None = None
    """Classes that the pictures are conditioned on."""
    text: tuple[str, ...] | None = None
    """Captions that the pictures are conditioned on."""
    file_names: tuple[str, ...] | None = None
    """Names of the pictures' files."""


def to_bytes(header: Header, payload: bytes) -> bytes:
    compressed = zlib.compress(encode_header(header), 9)
    return (
        PREFIX.pack(MAGIC, FORMAT, len(compressed), zlib.crc32(compressed)) + compressed + payload
    )


def encode_header(header: Header) -> bytes:
    """Encode a header as JSON. UserError if it is too large to be read again."""
    written = json.dumps(asdict(header), separators=(",", ":")).encode()
    if len(written) > limits.MAX_HEADER_BYTES:
        raise UserError(
            f"names and captions of {header.count:,} pictures take {len(written):,} bytes; a file "
            f"holds at most {limits.MAX_HEADER_BYTES:,}: compress them into several files"
        )
    return written


def from_bytes(data: bytes) -> tuple[Header, bytes]:
    """Split a file into header and payload. UserError for other, truncated or damaged files."""
    header, start = read_header_and_offset(data)
    payload = data[start:]
    if len(payload) < header.payload_bytes:
        raise UserError(
            f"truncated: {len(data)} of {start + header.payload_bytes} bytes; copy the file again"
        )
    if len(payload) > header.payload_bytes or zlib.crc32(payload) != header.checksum:
        raise UserError("damaged: the payload's checksum does not match; copy the file again")
    if len(payload) % WORD_BYTES:
        raise UserError("damaged: the payload ends inside a word; copy the file again")
    return header, payload


def read_file(path: str | Path) -> bytes:
    """Read a file. Files of another format or size are refused before they are in memory."""
    file_path = Path(path)
    if file_path.exists() and not file_path.is_file():
        raise UserError("not a file; give one written by `smalti compress`")
    with file_path.open("rb") as file:
        start = file.read(PREFIX.size)
        length = PREFIX.unpack(start)[2] if len(start) == PREFIX.size else 0
        start += file.read(min(length, limits.MAX_HEADER_BYTES))
        header, begin = read_header_and_offset(start)
        expected, actual = begin + header.payload_bytes, file_path.stat().st_size
        if actual > expected:
            raise UserError(f"damaged: {actual} bytes, expected {expected}; copy the file again")
        return start + file.read()


def read_header(data: bytes) -> Header:
    """Read the header of a file, ignoring its payload. Raises UserError like `from_bytes`."""
    return read_header_and_offset(data)[0]


def read_header_and_offset(data: bytes) -> tuple[Header, int]:
    """The header, and the offset of the payload."""
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise UserError("not written by `smalti compress`; give one of its files")
    if len(data) < PREFIX.size:
        raise UserError(f"truncated: {len(data)} bytes, less than a header; copy the file again")
    _, version, length, checksum = PREFIX.unpack_from(data)
    if version != FORMAT:
        raise UserError(f"format {version} is not supported; this smalti reads format {FORMAT}")
    compressed = data[PREFIX.size : PREFIX.size + length]
    if len(compressed) < length:
        raise UserError(f"truncated: {len(data)} bytes, less than its header; copy the file again")
    if zlib.crc32(compressed) != checksum:
        raise UserError("damaged: the header's checksum does not match; copy the file again")
    return decode_header(compressed), PREFIX.size + length


@lru_cache(maxsize=1)
def decode_header(compressed: bytes) -> Header:
    """Decode and validate a header. UserError if it is invalid, even if its checksum matches."""
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
        raise UserError(f"invalid header: {str(error)[:MAX_SHOWN]}") from error
    return header


def parse_json_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object."""
    was_enabled = gc.isenabled()
    gc.disable()  # else the collector scans millions of values again and again
    try:
        values = json.loads(text)
    finally:
        if was_enabled:
            gc.enable()
    if not isinstance(values, dict):
        raise UserError("not a JSON object")
    return values


def to_typed_tuple(name: str, values: object, kind: type) -> tuple[Any, ...] | None:
    """Convert a list of one type to a tuple; fast enough for millions of values."""
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise UserError(f"{name} is not a list of {kind.__name__}")
    return tuple(values)


def check_counts(header: Header) -> None:
    if min(header.count, header.batch_size, *header.shape) < 1:
        raise UserError("count, batch_size and shape must be 1 or more")
    limits.check_size(header.count, header.shape, header.batch_size)
    if not 0 <= header.payload_bytes <= limits.compute_max_bytes(header.count, header.shape):
        raise UserError(f"payload has {header.payload_bytes} bytes for {header.count} pictures")
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
            raise UserError(f"{word[: MAX_SHOWN // 2]!r} ... is too long")
    for word in (header.model_name, *(header.text or ())):
        if not is_text(word):
            raise UserError(f"{word[:MAX_SHOWN]!r} cannot be encoded as UTF-8; rename it")
