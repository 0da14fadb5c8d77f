"""Words for the person at the keyboard: long values in part, counts, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

MAX_WORD, MAX_MESSAGE = 200, 800
"""Characters of the longest word, such as a path, and of the longest message shown whole."""
KEPT_HEAD, KEPT_TAIL = 60, 20
"""What is left of a word that is longer."""
LONG_WORD = re.compile(rf"\S{{{MAX_WORD + 1},}}")


def shorten_message(message: str) -> str:
    """The message with long values in part, so that it stays a line to read.

    A word of more than 200 characters keeps its beginning and its end; so does a message of more
    than 800, which begins with what was wrong and ends with what to do.
    """
    message = LONG_WORD.sub(lambda word: cut_middle(word[0], KEPT_HEAD, KEPT_TAIL), message)
    return (
        message
        if len(message) <= MAX_MESSAGE
        else cut_middle(message, MAX_MESSAGE // 2, MAX_MESSAGE // 4)
    )


def cut_middle(text: str, head: int, tail: int) -> str:
    return f"{text[:head]}...{text[-tail:]}"


def format_count(n: float, noun: str, plural: str = "") -> str:
    """As in "1 picture" and "1,200 pictures"; plural: where it is not the noun and an s."""
    number = f"{n:,}" if isinstance(n, int) else f"{n:g}"
    return f"{number} {noun if n == 1 else plural or noun + 's'}"


def suggest_name(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """What to say of an unknown name: the known one that is like it, or all that there are."""
    known = list(known)
    return suggest_similar(name, known, cutoff) or f"there are {', '.join(known) or 'none'}"


def suggest_similar(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """As in "did you mean 'x'?"; nothing where no known name is like it."""
    near = difflib.get_close_matches(name[:MAX_WORD], list(known), 1, cutoff)
    return f"did you mean {near[0]!r}?" if near else ""


def list_siblings(path: Path) -> list[str]:
    """What lies in the folder where a path would lie."""
    try:
        return [str(other) for other in sorted(path.parent.iterdir())]
    except OSError:
        return []
