"""A zip archive of a folder of pictures, read without unpacking it."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.arrangement import file_source
from smalti.data.decode import BadPicture
from smalti.data.files import SIGNATURE, has_signature, open_image, printable, suffix_of
from smalti.data.sifting import Entry, check_any, sift
from smalti.data.source import Source

LARGEST = 400_000_000  # bytes of one unpacked file: 4 for each pixel that Pillow lets pass
SUSPECT = 1_000_000  # bytes of an unpacked file, above which it has to begin as a picture does
SIGNED = {".png", ".apng", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif"}


def zip_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of an archive, sorted by path; its folders are classes as a folder's are.

    When all lies in one folder, as `zip -r photos.zip photos` makes it, that is passed over.
    UserError when it cannot be opened or holds no picture.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged one raises nearly anything
        raise UserError(f"{path} is no zip archive that can be read ({error})") from error
    members = {p: i for i in archive.infolist() if not i.is_dir() and (p := parts_of(i.filename))}
    found = sift([Entry(p, partial(start_of, archive, members[p])) for p in sorted(members)])
    if not found.pictures:
        archive.close()
    inside = [entry.parts for entry in check_any(found, path).pictures]
    is_shared = len({p[0] for p in inside}) == 1 and all(len(p) > 1 for p in inside)
    return file_source(
        found,
        path.stem,
        lambda parts: printable(f"{path}/{members[parts].filename}"),
        lambda parts: open_image(content(archive, path, members[parts])),
        root=int(is_shared),
        labels=labels,
        close=archive.close,
    )


def parts_of(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part)


def start_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo, count: int) -> bytes:
    """So many of a member's first bytes. Raises whatever it likes for a locked or damaged one."""
    with archive.open(info) as file:
        return file.read(count)


def content(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> io.BytesIO:
    """A member, unpacked in memory. BadPicture when it is locked, or a bomb."""
    title = printable(f"{path}/{info.filename}")
    if info.flag_bits & 1:
        raise BadPicture(f"{title} is encrypted; unpack the archive with its password")
    if info.file_size > LARGEST:
        raise BadPicture(
            f"{title} unpacks to {info.file_size / 1e6:.0f} MB, more than a picture can be; "
            "remove it"
        )
    is_suspect = info.file_size > SUSPECT and suffix_of(info.filename) in SIGNED
    if is_suspect and not has_signature(start_of(archive, info, SIGNATURE)):
        raise BadPicture(f"{title} is no picture that can be read; replace or remove it")
    return io.BytesIO(archive.read(info))  # no more than it promises, and its checksum compared


def is_zip(path: Path) -> bool:
    """Whether a file begins as an archive does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(path)
