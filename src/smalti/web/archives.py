"""Uploaded folders of pictures: zip archives within a quota, which stay when the server stops."""

from __future__ import annotations

import secrets
import shutil
import stat
import struct
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.data.zip_archive import open_zip_source
from smalti.web.limits import Limits
from smalti.web.uploads import make_safe_name

END, ZIP64 = b"PK\5\6", b"PK\6\7"
END_BYTES = 22
MAX_END = END_BYTES + 0xFFFF
"""Bytes at the end of an archive that have the place of its directory."""
ENTRY_BYTES = 400
"""Bytes of a file's entry in the directory, on average at most."""


@dataclass(frozen=True)
class Archive:
    """A folder of pictures that a client uploaded."""

    id: str
    path: Path

    def describe(self) -> dict[str, object]:
        """The archive as plain values."""
        return {"upload": self.id, "name": self.path.name, "bytes": self.path.stat().st_size}


class Archives:
    """The archives of all clients, in `folder`/archives/CLIENT/ID/NAME.zip."""

    def __init__(self, folder: Path, limits: Limits):
        self.folder, self.limits = folder / "archives", limits

    async def add(self, client: str, name: str, parts: AsyncIterator[bytes]) -> Archive:
        """Keep an archive that arrives in parts. UserError for one that is refused."""
        archive_id = secrets.token_urlsafe(12)
        name = make_safe_name(name).removesuffix(".zip") + ".zip"
        archive = Archive(archive_id, self.folder / client / archive_id / name)
        archive.path.parent.mkdir(parents=True)
        try:
            with archive.path.open("wb") as file:
                async for part in parts:
                    file.write(part)
            await run_in_threadpool(check_archive, archive.path, self.limits)
        except BaseException:
            shutil.rmtree(archive.path.parent)
            raise
        self.make_room(client)
        return archive

    def list_archives(self, client: str) -> list[Archive]:
        """A client's archives, the oldest first."""
        found = (self.folder / client).glob("*/*.zip")
        ordered = sorted(found, key=lambda path: path.stat().st_mtime_ns)
        return [Archive(path.parent.name, path) for path in ordered]

    def make_room(self, client: str) -> None:
        """Remove a client's oldest archives beyond its quota."""
        own = self.list_archives(client)
        while (
            len(own) > 1 and sum(one.path.stat().st_size for one in own) > self.limits.archive_quota
        ):
            shutil.rmtree(own.pop(0).path.parent)

    def find(self, client: str, archive_id: str) -> Archive:
        """One of a client's own archives. UserError for any other id."""
        for archive in self.list_archives(client):
            if archive.id == archive_id:
                return archive
        raise UserError("no such upload; upload the folder again")

    def forget_client(self, client: str) -> None:
        """Remove all archives of a client."""
        shutil.rmtree(self.folder / client, ignore_errors=True)


def check_archive(path: Path, limits: Limits) -> None:
    """UserError if an archive is none, has no pictures, or something that pictures do not need."""
    try:
        if (fault := find_fault(path, limits)) is not None:
            raise UserError(f"{path} {fault}")
        open_zip_source(path).close()
    except UserError as error:
        raise UserError(str(error).replace(str(path), path.name)) from error


def find_fault(path: Path, limits: Limits) -> str | None:
    """What is wrong with an archive; None if nothing is. Its directory's size is read first."""
    size = read_directory_size(path)
    if size is None:
        return "is not a readable zip archive; pack the folder again"
    most = limits.archive_files
    if size > most * ENTRY_BYTES:
        return f"has too many files; this server takes {format_count(most, 'file')} at most"
    try:
        with zipfile.ZipFile(path) as archive:
            return next(find_entry_faults(archive.infolist(), limits), None)
    except Exception:  # a damaged archive raises nearly anything
        return "is not a readable zip archive; pack the folder again"


def read_directory_size(path: Path) -> int | None:
    """Bytes of an archive's directory; None if it has none, or one of more than 4 GB."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MAX_END))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES or tail[max(0, at - 20) : at].startswith(ZIP64):
        return None
    return struct.unpack_from("<I", tail, at + 12)[0]


def find_entry_faults(entries: list[zipfile.ZipInfo], limits: Limits) -> Iterator[str]:
    """What is wrong with the entries of an archive."""
    if len(entries) > limits.archive_files:
        most = format_count(limits.archive_files, "file")
        yield f"has {len(entries):,} files; this server takes {most} at most"
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.archive_unpacked:
        most = limits.archive_unpacked >> 20
        yield f"unpacks to {unpacked >> 20:,} MB; this server takes {most:,} MB at most"
    for entry in entries:
        shown = ascii(entry.filename)[1:-1][:60]
        parts = entry.filename.replace("\\", "/").split("/")
        if parts[0] == "" or ":" in parts[0] or ".." in parts:
            yield f"names a file outside itself ({shown}); pack the folder again"
        if stat.S_ISLNK(entry.external_attr >> 16):
            yield f"has a link ({shown}); pack the files themselves"
        if entry.flag_bits & 1:
            yield f"is encrypted ({shown}); pack it without a password"
