"""Captions that lie beside pictures: `cat.txt` says what `cat.png` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import PurePath

from smalti.core.errors import UserError

ENDING = ".txt"


def beside(name: str) -> str:
    """The name of the file that a picture's caption lies in: its own with another ending."""
    return name.removesuffix(PurePath(name).suffix) + ENDING


def captions_of(content: Iterable[tuple[str, Callable[[], bytes] | None]]) -> tuple[str, ...]:
    """One caption for each picture, empty where there is none; () where no picture has one.

    content: the title of every picture's caption file, and what reads it; None where it is missing.
    A caption is the file's first line that is not empty.  UserError names a file that is no text.
    """
    read = [bytes_of and first_line(title, bytes_of) for title, bytes_of in content]
    if all(caption is None for caption in read):
        return ()
    return tuple(caption or "" for caption in read)


def first_line(title: str, bytes_of: Callable[[], bytes]) -> str:
    try:
        text = bytes_of().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{title} cannot be read ({error.strerror}); check it") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{title} is no UTF-8 text; save it so, or remove it") from error
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
