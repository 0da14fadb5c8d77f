"""Words for the person at the keyboard: long values in part, counts, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

WORD, LINE = 200, 800
"""Characters of the longest word, such as a path, and of the longest message shown whole."""
HEAD, TAIL = 60, 20
"""What is left of a word that is longer."""
LONG_WORD = re.compile(rf"\S{{{WORD + 1},}}")


def shorten_message(message: str) -> str:
    """The message with long values in part, so that it stays a line to read.

    A word of more than 200 characters keeps its beginning and its end; so does a message of more
    than 800, which begins with what was wrong and ends with what to do.
    """
    message = LONG_WORD.sub(lambda word: cut(word[0], HEAD, TAIL), message)
    return message if len(message) <= LINE else cut(message, LINE // 2, LINE // 4)


def cut(text: str, head: int, tail: int) -> str:
    return f"{text[:head]}...{text[-tail:]}"


def count(n: float, noun: str, plural: str = "") -> str:
    """As in "1 picture" and "1,200 pictures"; plural: where it is not the noun and an s."""
    number = f"{n:,}" if isinstance(n, int) else f"{n:g}"
    return f"{number} {noun if n == 1 else plural or noun + 's'}"


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What to say of an unknown name: the known one that is like it, or all that there are."""
    known = list(known)
    return find_like(name, known, cutoff) or f"there are {', '.join(known) or 'none'}"


def find_like(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """As in "did you mean 'x'?"; nothing where no known name is like it."""
    near = difflib.get_close_matches(name[:WORD], list(known), 1, cutoff)
    return f"did you mean {near[0]!r}?" if near else ""


def list_beside(path: Path) -> list[str]:
    """What lies in the folder where a path would lie."""
    try:
        return [str(other) for other in sorted(path.parent.iterdir())]
    except OSError:
        return []
