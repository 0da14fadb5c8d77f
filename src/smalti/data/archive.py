"""A zip archive of a folder of pictures, read without unpacking it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.arrangement import arranged
from smalti.data.decode import BadPicture
from smalti.data.files import open_image, promises_picture
from smalti.data.sidecar import ENDING, beside, captions_of
from smalti.data.source import Source

LARGEST = 400_000_000  # bytes of one unpacked file: 4 for each pixel that Pillow lets pass
HIDDEN = (".", "__MACOSX")


def zip_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of an archive, sorted by path; its folders are classes as a folder's are.

    When all lies in one folder, as `zip -r photos.zip photos` makes it, that is passed over.
    UserError when it cannot be opened or holds no picture.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(f"{path} is no zip archive that can be read ({error})") from error
    infos = [i for i in archive.infolist() if not i.is_dir() and is_visible(i.filename)]
    infos.sort(key=lambda info: parts_of(info.filename))
    pictures = [i for i in infos if looks_right(archive, path, i)]
    if not pictures:
        archive.close()
        others = f" (only others, such as {infos[0].filename})" if infos else ""
        raise UserError(f"{path} holds no pictures{others}; put PNG or JPEG files into it")
    parts = [parts_of(info.filename) for info in pictures]
    if len({p[0] for p in parts}) == 1 and all(len(p) > 1 for p in parts):
        parts = [p[1:] for p in parts]
    folders = arranged(parts, labels=labels)
    pictures = [pictures[k] for k in folders.order]
    texts = {info.filename: info for info in infos if info.filename.endswith(ENDING)}

    def written(info: zipfile.ZipInfo) -> tuple[str, Callable[[], bytes] | None]:
        text = texts.get(beside(info.filename))
        read = None if text is None else partial(unpacked, archive, path, text)
        return f"{path}/{beside(info.filename)}", read

    return Source(
        name=path.stem,
        titles=[f"{path}/{info.filename}" for info in pictures],
        opened=lambda k: open_image(content(archive, path, pictures[k])),
        labels=folders.labels,
        classes=folders.classes,
        captions=captions_of(map(written, pictures)),
        splits=folders.splits,
        close=archive.close,
    )


def parts_of(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part)


def is_visible(name: str) -> bool:
    return not any(part.startswith(HIDDEN) for part in parts_of(name))


def looks_right(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> bool:
    try:
        return promises_picture(info.filename, lambda: content(archive, path, info))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error):
        return False  # without an ending, and unreadable: nothing says that it is a picture


def content(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> io.BytesIO:
    """A member, unpacked in memory. BadPicture when it is locked, or a bomb."""
    title = f"{path}/{info.filename}"
    if info.flag_bits & 1:
        raise BadPicture(f"{title} is encrypted; unpack the archive with its password")
    if info.file_size > LARGEST:
        raise BadPicture(
            f"{title} unpacks to {info.file_size / 1e6:.0f} MB, more than a picture can be; "
            "remove it"
        )
    return io.BytesIO(archive.read(info))  # no more than it promises, and its checksum compared


def unpacked(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> bytes:
    """A member's bytes. UserError when it is damaged."""
    try:
        return content(archive, path, info).getvalue()
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, zlib.error) as error:
        raise UserError(f"{path}/{info.filename} cannot be read ({error}); remove it") from error


def is_zip(path: Path) -> bool:
    """Whether a file begins as an archive does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(path)
