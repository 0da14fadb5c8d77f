"""Captions that lie beside pictures: `cat.txt` says what `cat.png` shows."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable

from smalti.data.picture_formats import list_picture_suffixes, parse_suffix

CAPTION_SUFFIX = ".txt"
MAX_CAPTION_BYTES = 1 << 16
"""Bytes within which a caption ends; more of a file is not read."""


def to_caption_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The path of the file that a picture's caption lies in: its own with another ending."""
    *folders, name = parts
    suffix = parse_suffix(name)
    stem = name[: -len(suffix)] if suffix in list_picture_suffixes() else name
    return (*folders, stem + CAPTION_SUFFIX)


def read_captions(
    files: Iterable[tuple[str, Callable[[int], bytes] | None]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The captions of pictures, () where none has one, and a line for each that cannot be read.

    files: the title of every picture's caption file, and what reads so many of its first bytes;
    None where it is missing.  A caption is the file's first line that is not empty.
    """
    texts: list[str | None] = []
    faults: list[str] = []
    for title, read in files:
        try:
            texts.append(read and read_first_line(read(MAX_CAPTION_BYTES)))
        except UnicodeDecodeError:
            faults.append(f"{title} is no UTF-8 text; save it so, or remove it")
            texts.append(None)
        except Exception as error:  # archives raise nearly anything
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            faults.append(f"{title} cannot be read ({' '.join(reason.split())}); check it")
            texts.append(None)
    has_any = any(text is not None for text in texts)
    return tuple(text or "" for text in texts if has_any), tuple(faults)


def read_first_line(content: bytes) -> str:
    """The first line that is not empty. ValueError where it does not end within LONGEST bytes."""
    whole = len(content) < MAX_CAPTION_BYTES
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, final=whole)
    lines = text.splitlines()
    line = next((line.strip() for line in lines if line.strip()), "")
    if not whole and (not line or len(lines) == 1):
        raise ValueError(f"its first line is longer than {MAX_CAPTION_BYTES} bytes")
    return line
