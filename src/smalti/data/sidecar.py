"""Captions in text files next to pictures: `cat.txt` for `cat.png`."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable

from smalti.data.picture_formats import list_picture_suffixes, parse_suffix

CAPTION_SUFFIX = ".txt"
MAX_CAPTION_BYTES = 1 << 16
"""A caption must end within these bytes; the rest of a file is not read."""


def to_caption_path(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the path of a picture's caption file."""
    *folders, name = parts
    suffix = parse_suffix(name)
    stem = name[: -len(suffix)] if suffix in list_picture_suffixes() else name
    return (*folders, stem + CAPTION_SUFFIX)


def read_captions(
    files: Iterable[tuple[str, Callable[[int], bytes] | None]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read captions, () if no picture has one, and an error message for each unreadable one.

    files: the title of every picture's caption file, and a function that reads its first n bytes;
    None if it is missing.  A caption is the first non-empty line of the file.
    """
    texts: list[str | None] = []
    errors: list[str] = []
    for title, read in files:
        try:
            texts.append(read and read_first_line(read(MAX_CAPTION_BYTES)))
        except UnicodeDecodeError:
            errors.append(f"{title} is not UTF-8 text; save it as UTF-8, or remove it")
            texts.append(None)
        except Exception as error:  # archives raise nearly anything
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            errors.append(f"{title} cannot be read ({' '.join(reason.split())}); check it")
            texts.append(None)
    has_any = any(text is not None for text in texts)
    return tuple(text or "" for text in texts if has_any), tuple(errors)


def read_first_line(content: bytes) -> str:
    """Parse the first non-empty line. Raises ValueError beyond MAX_CAPTION_BYTES."""
    whole = len(content) < MAX_CAPTION_BYTES
    text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, final=whole)
    lines = text.splitlines()
    line = next((line.strip() for line in lines if line.strip()), "")
    if not whole and (not line or len(lines) == 1):
        raise ValueError(f"its first line is longer than {MAX_CAPTION_BYTES} bytes")
    return line
