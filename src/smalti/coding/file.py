"""The file: a magic, a header as deflated JSON, a payload; docs/compression.md describes it."""

from __future__ import annotations

import json
import struct
import typing
import zlib
from dataclasses import asdict, dataclass

from smalti.coding.names import check_names
from smalti.core.config import fitted
from smalti.core.errors import UserError

MAGIC = b"smalti\x00"
FORMAT = 1
PREFIX = struct.Struct("<7sBII")
"""Magic, format, the header's length, its CRC-32."""
LARGEST = 1 << 28
"""Bytes of a header at most."""


@dataclass(frozen=True)
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
    told = zlib.compress(json.dumps(asdict(header), separators=(",", ":")).encode(), 9)
    return PREFIX.pack(MAGIC, FORMAT, len(told), zlib.crc32(told)) + told + payload


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
    return header, payload


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


def parsed(told: bytes) -> Header:
    """UserError for a header that smalti does not write, whoever wrote it."""
    try:
        opened = zlib.decompressobj()
        values = json.loads(opened.decompress(told, LARGEST))
        hints = typing.get_type_hints(Header)
        header = Header(**{k: fitted(v, hints[k], k) for k, v in values.items()})
        check_counts(header)
        check_names(header.names or ())
    except (zlib.error, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"its header is none that smalti writes: {error}") from error
    return header


def check_counts(header: Header) -> None:
    if min(header.count, header.batch, *header.shape) < 1:
        raise UserError("it counts less than one")
    for name in ("labels", "text", "names"):
        values = getattr(header, name)
        if values is not None and len(values) != header.count:
            raise UserError(f"{len(values)} {name} for {header.count} pictures")
