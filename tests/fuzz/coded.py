"""A compressed file: its prefix, each field of its header, its payload."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.command import read_pixels
from tests.fuzz.cases import Case, make_cases, write_file
from tests.fuzz.defects import bytes_defects, field_defects, json_defects
from tests.fuzz.kit import Kit

PREFIX = struct.Struct("<7sBII")
"""Magic, format, the header's length and checksum, as in docs/compression.md."""
NAMES = (
    "../up.png", "/tmp/up.png", "a\\b.png", "CON.png", "a\0b.png", ".png", "a/../b.png", "a//b.png",
    "\ud800.png", "x" * 300 + ".png", "字" * 100 + ".png", "a.gif", "", "a\n.png",
    "a/" * 2000 + "b.png",
)  # fmt: skip


def has_three_pictures(workdir: Path) -> bool:
    """Whether there are three pictures of 8 x 8."""
    sizes = [read_pixels(path).shape for path in (workdir / "again").rglob("*.png")]
    return sizes == 3 * [(8, 8)]


def cases(kit: Kit) -> Iterator[Case]:
    data = kit.read("three.smalti")
    words = f"decompress three.smalti again --model {kit.root}/pixelcnn"
    _, _, size, _ = PREFIX.unpack_from(data)
    start = PREFIX.size
    header, payload = data[start : start + size], data[start + size :]
    defects = [*bytes_defects(len(data), start + 16)]
    defects += field_defects({"format": (7, 1), "length": (8, 4), "checksum": (12, 4)})
    for place in range(len(data) - len(payload), len(data), max(1, len(payload) // 24)):
        defects.append((f"payload {place}", lambda d, p=place: d[:p] + b"\xa5" + d[p + 1 :]))
    yield from make_cases("smalti", "three.smalti", data, defects, words, check=has_three_pictures)
    document = json.loads(zlib.decompress(header))
    for title, content in [*json_defects(document), *forge_headers(document)]:
        header_bytes = zlib.compress(content)
        whole = (
            PREFIX.pack(b"smalti\0", 2, len(header_bytes), zlib.crc32(header_bytes))
            + header_bytes
            + payload
        )
        make = write_file("three.smalti", whole)
        for more in ("", " --anyway"):
            yield Case(f"smalti header: {title}{more}", make, words + more, has_three_pictures)
    for title, header_bytes in {
        "not packed": json.dumps(document).encode(),
        "cut when packed": header[: size // 2],
        "nothing packed": b"",
        "a bomb": zlib.compress(b'"' + bytes(400_000_000), 9),
        "a bomb of spaces": zlib.compress(b" " * 300_000_000 + b"{}", 9),
        "more behind it": header + header,
    }.items():
        whole = (
            PREFIX.pack(b"smalti\0", 2, len(header_bytes), zlib.crc32(header_bytes))
            + header_bytes
            + payload
        )
        yield Case(f"smalti header: {title}", write_file("three.smalti", whole), words)


def forge_headers(document: dict) -> Iterator[tuple[str, bytes]]:
    """Yield headers of the right types with wrong values."""
    changes: dict[str, dict] = {f"a name {name[:20]!r}": {"file_names": [name, "b.png", "c.png"]}
                                for name in NAMES}  # fmt: skip
    changes |= {
        "one name twice": {"file_names": ["a.png", "A.png", "c.png"]},
        "a name within another": {"file_names": ["a.png", "a.png/b.png", "c.png"]},
        "a million pictures": {"count": 10**6},
        "a billion pictures": {"count": 10**9, "batch_size": 10**9},
        "huge sides": {"shape": [1, 10**6, 10**6]},
        "no sides": {"shape": [1, 0, 8]},
        "three channels": {"shape": [3, 8, 8]},
        "a batch of a billion": {"batch_size": 10**9},
        "1000 threads": {"threads": 1000},
        "0 threads": {"threads": 0},
        "no payload": {"payload_bytes": 0},
        "more payload": {"payload_bytes": 10**15},
        "classes": {"labels": [0, 1, 2]},
        "huge classes": {"labels": [2**63, 0, 0]},
        "captions": {"text": ["a", "b", "c"]},
        "another model": {"model_hash": "0" * 64},
        "a path for a name": {"model_name": "/etc/passwd"},
        "an option for a name": {"model_name": "--help"},
        "other versions": {"environment": [["torch", "9.9"]]},
        "no versions": {"environment": []},
        "other units": {"vector_units": "SSE"},
    }
    for title, change in changes.items():
        yield title, json.dumps({**document, **change}).encode()
