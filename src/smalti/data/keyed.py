"""An LMDB of encoded pictures, read page by page.

LMDB maps the whole file into memory and believes what stands there: a file that is cut short or
damaged ends the process.  Reading needs a few pages' layout, so here every place is checked first.
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
from smalti.data.files import SIGNATURE, find_classes, open_image, promises_picture
from smalti.data.source import Source

MAGIC = b"\xde\xc0\xef\xbe"
HEAD = 16  # bytes of a page before its content
BRANCH, LEAF = 1, 2  # kinds of page
BIG, SUB, SEVERAL = 1, 2, 4  # a value in pages of its own, another database, several values
DEEPEST = 32  # levels of the tree
NONE = 2**64 - 1  # the root of an empty tree


class Damaged(ValueError):
    """What stands in the file cannot be."""


@dataclass(frozen=True)
class Value:
    """Where a value lies in the file."""

    start: int
    size: int


class Database:
    """The keys of an LMDB in order, and where their values lie. Raises Damaged."""

    def __init__(self, file: BinaryIO):
        self.file, self.lock = file, Lock()
        self.length = os.fstat(file.fileno()).st_size
        head = self.at(0, 152)
        if head[HEAD : HEAD + 4] != MAGIC:
            raise Damaged("it does not begin as one")
        (self.page,) = struct.unpack_from("<I", head, 40)
        if self.page not in (1 << k for k in range(9, 17)):
            raise Damaged(f"its pages are of {self.page} bytes")
        newest = max((head, self.at(self.page, 152)), key=lambda meta: meta[144:152][::-1])
        self.depth, self.root, self.last = (
            struct.unpack_from("<H", newest, 94)[0],
            *struct.unpack_from("<QQ", newest, 128),
        )
        if (self.last + 1) * self.page > self.length:
            whole = (self.last + 1) * self.page
            raise Damaged(f"it is cut short: {self.length} bytes of {whole}")

    def at(self, start: int, size: int) -> bytes:
        """Bytes of the file, from any thread."""
        if not 0 <= start <= start + size <= self.length:
            raise Damaged("it points beyond its end")
        with self.lock:
            self.file.seek(start)
            return self.file.read(size)

    def value(self, place: Value) -> bytes:
        return self.at(place.start, place.size)

    def entries(self) -> Iterator[tuple[bytes, Value]]:
        """Every key and its value; other databases and keys of several values are passed over."""
        if self.root != NONE:
            yield from self._below(self.root, 0, set())

    def _below(self, number: int, depth: int, seen: set[int]) -> Iterator[tuple[bytes, Value]]:
        if depth > DEEPEST or number in seen or number > self.last:
            raise Damaged("its tree leads in a circle, or nowhere")
        seen.add(number)
        page = self.at(number * self.page, self.page)
        kind, lower = struct.unpack_from("<HH", page, 10)
        if not kind & (BRANCH | LEAF) or not HEAD <= lower <= self.page:
            raise Damaged(f"page {number} is neither branch nor leaf")
        for (node,) in struct.iter_unpack("<H", page[HEAD : HEAD + (lower - HEAD) // 2 * 2]):
            low, high, flags, length = struct.unpack_from("<HHHH", page, node)
            key = page[node + 8 : node + 8 + length]
            size = low | high << 16
            if kind & BRANCH:
                yield from self._below(size | flags << 32, depth + 1, seen)
            elif flags & BIG:
                (first,) = struct.unpack_from("<Q", page, node + 8 + length)
                yield key, self._checked(first * self.page + HEAD, size)
            elif not flags & (SUB | SEVERAL):
                start = node + 8 + length
                if start + size > self.page:
                    raise Damaged("a value reaches beyond its page")
                yield key, Value(number * self.page + start, size)

    def _checked(self, start: int, size: int) -> Value:
        if start + size > self.length:
            raise Damaged("a value reaches beyond the file's end")
        return Value(start, size)


def is_lmdb(path: Path) -> bool:
    """Whether a folder holds LMDB's file, or a file is one."""
    if path.is_dir():
        return (path / "data.mdb").is_file()
    with path.open("rb") as file:
        return file.read(HEAD + 4)[HEAD:] == MAGIC


def lmdb_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of a database in the order of its keys: every value is a picture file.

    A key is read as a path: one with the ending of a picture, or with none and a picture as its
    value, is one; "cats/0001" belongs to the class "cats", as in a folder.  Other entries (counts,
    labels in words) are passed over.  UserError when it is damaged or holds no picture.
    """
    file = (path / "data.mdb" if path.is_dir() else path).open("rb")
    try:
        database = Database(file)
        found = [e for e in database.entries() if is_entry(database, *e)]
        if not found:
            raise UserError(f"{path} holds no pictures; put encoded ones (PNG, JPEG) as its values")
    except (Damaged, struct.error, OSError) as error:
        file.close()
        raise UserError(f"{path} is no LMDB that can be read ({error}); copy it again") from error
    except UserError:
        file.close()
        raise
    names = [key.decode(errors="backslashreplace") for key, _ in found]
    parts = [tuple(filter(None, name.split("/"))) or (name,) for name in names]
    numbers, classes = find_classes(parts) if labels else (None, ())

    def opened(k: int) -> Image.Image:
        try:
            return open_image(io.BytesIO(database.value(found[k][1])))
        except Damaged as error:
            raise BadPicture(f"{path}/{names[k]} cannot be read ({error})") from error

    return Source(
        name=path.resolve().stem,
        titles=[f"{path}/{name}" for name in names],
        opened=opened,
        labels=None if numbers is None else np.array(numbers, np.int64),
        classes=classes,
        close=file.close,
    )


def is_entry(database: Database, key: bytes, place: Value) -> bool:
    name = key.decode(errors="backslashreplace")
    start = Value(place.start, min(place.size, SIGNATURE))
    return promises_picture(name, lambda: database.value(start))
