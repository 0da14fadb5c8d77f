"""A zip archive of a folder of pictures, read without unpacking it."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path

from smalti.core.errors import UserError
from smalti.data.decode import BadPicture
from smalti.data.file_selection import Entry, require_pictures, select_pictures
from smalti.data.folder_layout import make_file_source
from smalti.data.picture_formats import (
    SIGNATURE_BYTES,
    escape_name,
    has_signature,
    open_image,
    parse_suffix,
)
from smalti.data.source import Source

MAX_UNPACKED_BYTES = (
    400_000_000  # bytes of one unpacked file: 4 for each pixel that Pillow lets pass
)
SIGNATURE_CHECK_BYTES = (
    1_000_000  # bytes of an unpacked file, above which it has to begin as a picture does
)
SUFFIXES_WITH_SIGNATURE = {
    ".png",
    ".apng",
    ".jpg",
    ".jpeg",
    ".gif",
    ".webp",
    ".bmp",
    ".tif",
    ".tiff",
    ".avif",
}


def open_zip_source(path: Path, *, labels: bool = True) -> Source:
    """The pictures of an archive, sorted by path; its folders are classes as a folder's are.

    When all lies in one folder, as `zip -r photos.zip photos` makes it, that is passed over.
    UserError when it cannot be opened or holds no picture.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged one raises nearly anything
        raise UserError(f"{path} is no zip archive that can be read ({error})") from error
    members = {p: i for i in archive.infolist() if not i.is_dir() and (p := split_path(i.filename))}
    found = select_pictures(
        [Entry(p, partial(read_member_start, archive, members[p])) for p in sorted(members)]
    )
    if not found.pictures:
        archive.close()
    inside = [entry.parts for entry in require_pictures(found, path).pictures]
    is_shared = len({p[0] for p in inside}) == 1 and all(len(p) > 1 for p in inside)
    return make_file_source(
        found,
        path.stem,
        lambda parts: escape_name(f"{path}/{members[parts].filename}"),
        lambda parts: open_image(read_member(archive, path, members[parts])),
        strip_components=int(is_shared),
        labels=labels,
        close=archive.close,
    )


def split_path(name: str) -> tuple[str, ...]:
    return tuple(part for part in name.replace("\\", "/").split("/") if part)


def read_member_start(archive: zipfile.ZipFile, info: zipfile.ZipInfo, n_bytes: int) -> bytes:
    """So many of a member's first bytes. Raises whatever it likes for a locked or damaged one."""
    with archive.open(info) as file:
        return file.read(n_bytes)


def read_member(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> io.BytesIO:
    """A member, unpacked in memory. BadPicture when it is locked, or a bomb."""
    title = escape_name(f"{path}/{info.filename}")
    if info.flag_bits & 1:
        raise BadPicture(f"{title} is encrypted; unpack the archive with its password")
    if info.file_size > MAX_UNPACKED_BYTES:
        raise BadPicture(
            f"{title} unpacks to {info.file_size / 1e6:.0f} MB, more than a picture can be; "
            "remove it"
        )
    is_suspect = (
        info.file_size > SIGNATURE_CHECK_BYTES
        and parse_suffix(info.filename) in SUFFIXES_WITH_SIGNATURE
    )
    if is_suspect and not has_signature(read_member_start(archive, info, SIGNATURE_BYTES)):
        raise BadPicture(f"{title} is no picture that can be read; replace or remove it")
    return io.BytesIO(archive.read(info))  # no more than it promises, and its checksum compared


def is_zip(path: Path) -> bool:
    """Whether a file begins as an archive does."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(path)
