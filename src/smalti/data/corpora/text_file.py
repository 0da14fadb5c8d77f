"""Text files of a corpus: UTF-8, plain or compressed, with errors that tell the line."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from smalti.core.errors import UserError

COMPRESSED = (".gz", ".xz")
MAX_EXPANSION, FREE_BYTES = 200, 2**24
"""A compressed file may expand to FREE_BYTES, or to this multiple of its size: text is compressed
to a tenth, and more means a file that is made to fill the memory."""
MAX_LINE = 2**20
MAX_FILE = 2**27
"""Bytes of a file that is read as a whole."""


def strip_compression(path: Path) -> Path:
    """The path without .gz or .xz."""
    return path.with_suffix("") if path.suffix.lower() in COMPRESSED else path


def open_binary(path: Path) -> BinaryIO:
    """Open a file, decompressing .gz and .xz."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    if not path.exists():
        raise UserError(f"{path} does not exist; name a file of sentence pairs")
    open_file = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix.lower())
    return cast(BinaryIO, open_file(path, "rb")) if open_file else path.open("rb")


def limit_bytes(path: Path) -> int | None:
    """How many bytes a compressed file may expand to; None for others."""
    if path.suffix.lower() not in COMPRESSED:
        return None
    return max(FREE_BYTES, MAX_EXPANSION * path.stat().st_size)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines with their numbers from 1, without line endings.

    Raises UserError, telling the line, for other encodings than UTF-8, lines of more than a
    megabyte, and compressed files that are damaged or expand too much.
    """
    n_bytes = 0
    with open_binary(path) as file:
        most = limit_bytes(path)
        for number, line in enumerate(read_bytes_of_lines(file, path), 1):
            n_bytes += len(line)
            if most is not None and n_bytes > most:
                raise make_expansion_error(path)
            if len(line) > MAX_LINE:
                raise UserError(f"{path}, line {number}: longer than {MAX_LINE} bytes; split it")
            yield number, decode_line(line, path, number)


def read_bytes_of_lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        while line := file.readline(MAX_LINE + 1):
            yield line
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UserError(f"{path} cannot be decompressed ({error}); download it again") from error


def decode_line(line: bytes, path: Path, number: int) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise make_encoding_error(line, error, path, number) from error
    return text.removesuffix("\n").removesuffix("\r")


def make_encoding_error(
    data: bytes, error: UnicodeDecodeError, path: Path, number: int
) -> UserError:
    return UserError(
        f"{path}, line {number}: byte {data[error.start]:#04x} is not UTF-8; convert the file "
        "first, for example with iconv -f GB18030 -t UTF-8"
    )


def read_bytes(path: Path) -> bytes:
    """Read a whole file, at most MAX_FILE bytes; raises UserError if it is larger or empty."""
    with open_binary(path) as file:
        most = min(MAX_FILE, limit_bytes(path) or MAX_FILE)
        try:
            data = file.read(most + 1)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise UserError(
                f"{path} cannot be decompressed ({error}); download it again"
            ) from error
    if len(data) > most:
        raise (
            make_expansion_error(path)
            if most < MAX_FILE
            else UserError(f"{path} has more than {MAX_FILE >> 20} MB; split it")
        )
    if not data.strip():
        raise UserError(f"{path} is empty; give a file with sentence pairs")
    return data


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file; raises UserError as `read_bytes`, and for other encodings."""
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise make_encoding_error(data, error, path, number) from error


def make_expansion_error(path: Path) -> UserError:
    return UserError(
        f"{path} expands to more than {MAX_EXPANSION} times its size; decompress it first if you "
        "trust it"
    )
