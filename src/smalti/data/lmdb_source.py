"""Read an LMDB of encoded pictures, page by page.

The LMDB library maps the file into memory and trusts it: a truncated or damaged file crashes the
process.  Reading needs only the layout of a few pages, so this reader checks every offset.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
from PIL import Image

from smalti.core.errors import UserError
from smalti.data.decode import BadPicture
from smalti.data.picture_formats import (
    SIGNATURE_BYTES,
    find_classes,
    looks_like_picture,
    open_image,
)
from smalti.data.source import Source

MAGIC = b"\xde\xc0\xef\xbe"
HEADER_BYTES = 16  # bytes of a page before its content
BRANCH, LEAF = 1, 2  # page flags
F_BIGDATA, F_SUBDATA, F_DUPDATA = 1, 2, 4  # overflow pages, a sub-database, duplicate values
MAX_DEPTH = 32  # levels of the tree
P_INVALID = 2**64 - 1  # the root of an empty tree


class CorruptedError(ValueError):
    """The file is not a valid LMDB."""


@dataclass(frozen=True)
class ValueSpan:
    """Position of a value in the file."""

    start: int
    size: int


class Database:
    """The keys of an LMDB in order, and positions of their values. Raises CorruptedError."""

    def __init__(self, file: BinaryIO):
        self.file, self.lock = file, Lock()
        self.file_size = os.fstat(file.fileno()).st_size
        head = self.read_bytes(0, 152)
        if head[HEADER_BYTES : HEADER_BYTES + 4] != MAGIC:
            raise CorruptedError("it has no LMDB header")
        (self.page_size,) = struct.unpack_from("<I", head, 40)
        if self.page_size not in (1 << k for k in range(9, 17)):
            raise CorruptedError(f"its pages are of {self.page_size} bytes")
        newest = max(
            (head, self.read_bytes(self.page_size, 152)), key=lambda meta: meta[144:152][::-1]
        )
        self.depth, self.root, self.last_page = (
            struct.unpack_from("<H", newest, 94)[0],
            *struct.unpack_from("<QQ", newest, 128),
        )
        if (self.last_page + 1) * self.page_size > self.file_size:
            whole = (self.last_page + 1) * self.page_size
            raise CorruptedError(f"it is truncated: {self.file_size} bytes of {whole}")

    def read_bytes(self, start: int, size: int) -> bytes:
        """Read bytes of the file; thread-safe."""
        if not 0 <= start <= start + size <= self.file_size:
            raise CorruptedError("it points beyond its end")
        with self.lock:
            self.file.seek(start)
            return self.file.read(size)

    def read_value(self, span: ValueSpan) -> bytes:
        return self.read_bytes(span.start, span.size)

    def iter_entries(self) -> Iterator[tuple[bytes, ValueSpan]]:
        """Yield every key and its value; sub-databases and duplicate keys are skipped."""
        if self.root != P_INVALID:
            yield from self._iter_subtree(self.root, 0, set())

    def _iter_subtree(
        self, page_number: int, depth: int, visited: set[int]
    ) -> Iterator[tuple[bytes, ValueSpan]]:
        if depth > MAX_DEPTH or page_number in visited or page_number > self.last_page:
            raise CorruptedError("its tree has a cycle or an invalid page")
        visited.add(page_number)
        page = self.read_bytes(page_number * self.page_size, self.page_size)
        kind, lower = struct.unpack_from("<HH", page, 10)
        if not kind & (BRANCH | LEAF) or not HEADER_BYTES <= lower <= self.page_size:
            raise CorruptedError(f"page {page_number} is neither branch nor leaf")
        for (node,) in struct.iter_unpack(
            "<H", page[HEADER_BYTES : HEADER_BYTES + (lower - HEADER_BYTES) // 2 * 2]
        ):
            low, high, flags, length = struct.unpack_from("<HHHH", page, node)
            key = page[node + 8 : node + 8 + length]
            size = low | high << 16
            if kind & BRANCH:
                yield from self._iter_subtree(size | flags << 32, depth + 1, visited)
            elif flags & F_BIGDATA:
                (first,) = struct.unpack_from("<Q", page, node + 8 + length)
                yield key, self._make_span(first * self.page_size + HEADER_BYTES, size)
            elif not flags & (F_SUBDATA | F_DUPDATA):
                start = node + 8 + length
                if start + size > self.page_size:
                    raise CorruptedError("a value exceeds its page")
                yield key, ValueSpan(page_number * self.page_size + start, size)

    def _make_span(self, start: int, size: int) -> ValueSpan:
        if start + size > self.file_size:
            raise CorruptedError("a value exceeds the file")
        return ValueSpan(start, size)


def is_lmdb(path: Path) -> bool:
    """Whether a path is an LMDB file or a folder with one."""
    if path.is_dir():
        return (path / "data.mdb").is_file()
    with path.open("rb") as file:
        return file.read(HEADER_BYTES + 4)[HEADER_BYTES:] == MAGIC


def open_lmdb_source(path: Path, *, labels: bool = True) -> Source:
    """Open the pictures of a database in key order; every value is a picture file.

    Keys are paths: a picture's key has a picture's suffix, or none and a picture as its value;
    "cats/0001" has the class "cats", as in a folder.  Other entries are skipped.  Raises UserError
    if the database is damaged or has no pictures.
    """
    file = (path / "data.mdb" if path.is_dir() else path).open("rb")
    try:
        database = Database(file)
        entries = [e for e in database.iter_entries() if is_picture(database, *e)]
        if not entries:
            raise UserError(
                f"{path} holds no pictures; store encoded pictures (PNG, JPEG) as its values"
            )
    except (CorruptedError, struct.error, OSError) as error:
        file.close()
        raise UserError(f"{path} is not a readable LMDB ({error}); copy it again") from error
    except UserError:
        file.close()
        raise
    names = [key.decode(errors="backslashreplace") for key, _ in entries]
    parts = [tuple(filter(None, name.split("/"))) or (name,) for name in names]
    numbers, classes = find_classes(parts) if labels else (None, ())

    def open_picture(k: int) -> Image.Image:
        try:
            return open_image(io.BytesIO(database.read_value(entries[k][1])))
        except CorruptedError as error:
            raise BadPicture(f"{path}/{names[k]} cannot be read ({error})") from error

    return Source(
        name=path.resolve().stem,
        titles=[f"{path}/{name}" for name in names],
        open_picture=open_picture,
        labels=None if numbers is None else np.array(numbers, np.int64),
        classes=classes,
        close=file.close,
    )


def is_picture(database: Database, key: bytes, span: ValueSpan) -> bool:
    name = key.decode(errors="backslashreplace")
    start = ValueSpan(span.start, min(span.size, SIGNATURE_BYTES))
    return looks_like_picture(name, lambda: database.read_value(start))
