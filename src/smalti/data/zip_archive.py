"""Read a zip archive of pictures without unpacking it."""

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

MAX_UNPACKED_BYTES = 400_000_000  # of one file: 4 for each pixel that Pillow allows
SIGNATURE_CHECK_BYTES = 1_000_000  # larger unpacked files must have a picture's signature
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
    """Open the pictures of an archive, sorted by path; folders are classes, as in a folder.

    If everything is in one folder, as after `zip -r photos.zip photos`, that is ignored.
    Raises UserError if it cannot be opened or has no pictures.
    """
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive raises nearly anything
        raise UserError(f"{path} is not a readable zip archive ({error}); copy it again") from error
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
    """Read a member's first bytes. May raise any exception if it is encrypted or damaged."""
    with archive.open(info) as file:
        return file.read(n_bytes)


def read_member(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> io.BytesIO:
    """Decompress a member into memory. Raises BadPicture if it is encrypted or too large."""
    title = escape_name(f"{path}/{info.filename}")
    if info.flag_bits & 1:
        raise BadPicture(f"{title} is encrypted; unpack the archive with its password")
    if info.file_size > MAX_UNPACKED_BYTES:
        raise BadPicture(
            f"{title} unpacks to {info.file_size / 1e6:.0f} MB, too large for a picture; remove it"
        )
    is_suspect = (
        info.file_size > SIGNATURE_CHECK_BYTES
        and parse_suffix(info.filename) in SUFFIXES_WITH_SIGNATURE
    )
    if is_suspect and not has_signature(read_member_start(archive, info, SIGNATURE_BYTES)):
        raise BadPicture(f"{title} is not a readable picture; replace or remove it")
    return io.BytesIO(archive.read(info))  # at most the declared size, and the checksum is verified


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive."""
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06") or zipfile.is_zipfile(path)
