"""An LMDB of encoded pictures. Needs the extra `lmdb`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from smalti.core.errors import UserError
from smalti.data.files import find_classes, open_image, promises_picture
from smalti.data.source import Source


def is_lmdb(path: Path) -> bool:
    """Whether a folder holds LMDB's file, or a file is one."""
    if path.is_dir():
        return (path / "data.mdb").is_file()
    with path.open("rb") as file:
        return file.read(20)[16:] == b"\xde\xc0\xef\xbe"  # its magic number, behind a page's head


def lmdb_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of a database in the order of its keys: every value is a picture file.

    A key is read as a path: one with the ending of a picture, or with none and a picture as its
    value, is one; "cats/0001" belongs to the class "cats", as in a folder.  Other entries (counts,
    labels in words) are passed over.  UserError when it is damaged or holds no picture.
    """
    lmdb: Any = imported()
    subdir = path.is_dir()
    try:
        environment = lmdb.open(
            str(path), subdir=subdir, readonly=True, lock=False, readahead=False, max_spare_txns=8
        )
        with environment.begin(buffers=True) as transaction:
            keys = [bytes(key) for key, value in transaction.cursor() if is_entry(key, value)]
    except lmdb.Error as error:
        raise UserError(f"{path} is no LMDB that can be read ({error})") from error
    if not keys:
        environment.close()
        raise UserError(f"{path} holds no pictures; put encoded ones (PNG, JPEG ...) as its values")
    names = [key.decode(errors="backslashreplace") for key in keys]
    parts = [tuple(filter(None, name.split("/"))) or (name,) for name in names]
    numbers, classes = find_classes(parts) if labels else (None, ())

    def opened(k: int) -> Any:
        with environment.begin() as transaction:
            return open_image(io.BytesIO(transaction.get(keys[k])))

    return Source(
        name=path.resolve().stem,
        titles=[f"{path}/{name}" for name in names],
        opened=opened,
        labels=None if numbers is None else np.array(numbers, np.int64),
        classes=classes,
        close=environment.close,
    )


def is_entry(key: memoryview, value: memoryview) -> bool:
    name = bytes(key).decode(errors="backslashreplace")
    return promises_picture(name, lambda: io.BytesIO(value))


def imported() -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise UserError(
            "an LMDB takes the package lmdb; install it by `pip install 'smalti[lmdb]'`"
        ) from error
    return lmdb
