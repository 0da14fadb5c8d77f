"""Format messages for the user: shortened values, counts, suggestions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

MAX_WORD, MAX_MESSAGE = 200, 800
"""Maximum characters of a word, such as a path, and of a message, before they are cut."""
KEPT_HEAD, KEPT_TAIL = 60, 20
"""Characters kept of a longer word."""
LONG_WORD = re.compile(rf"\S{{{MAX_WORD + 1},}}")


def shorten_message(message: str) -> str:
    """Shorten long values in a message.

    A word of more than 200 characters keeps its beginning and its end; so does a message of more
    than 800, since it begins with what was wrong and ends with what to do.
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
    """Format a count, as in "1 picture" and "1,200 pictures"; plural: if it is irregular."""
    number = f"{n:,}" if isinstance(n, int) else f"{n:g}"
    return f"{number} {noun if n == 1 else plural or noun + 's'}"


def suggest_name(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Suggest the most similar known name, or else list all known names."""
    known = list(known)
    return suggest_similar(name, known, cutoff) or f"there are {', '.join(known) or 'none'}"


def suggest_similar(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Format "did you mean 'x'?"; empty if no known name is similar."""
    near = difflib.get_close_matches(name[:MAX_WORD], list(known), 1, cutoff)
    return f"did you mean {near[0]!r}?" if near else ""


def list_siblings(path: Path) -> list[str]:
    """List the entries of a path's parent folder."""
    try:
        return [str(other) for other in sorted(path.parent.iterdir())]
    except OSError:
        return []
