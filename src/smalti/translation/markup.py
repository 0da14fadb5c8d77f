"""Placeholders, tags and access keys of messages, which a translation must keep."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

CONVERSION = r"%(?:\(\w+\)|\d+\$)?[-+#0']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh?|ll?|[Lqjzt])?[A-Za-z%]"
"""printf and Python: %s, %1$d, %-5.2f, %(name)s, %%. A space is not a flag: "100% of"."""
PLACEHOLDER = re.compile(
    "|".join(
        [
            r"</?[A-Za-z][^<>]*>|<!--.*?-->",  # <b>, </a>, <br/>
            r"&(?:[A-Za-z]\w*|#\d+|#x[0-9A-Fa-f]+);",  # &amp;
            r"https?://[^\s<>\"]*[\w/]|[\w.+-]+@[\w-]+\.[\w.-]*\w",
            r"\$\{\w+\}|\{\{[^{}]*\}\}|\{[^{}\s]*\}|\{\w[^{}\n]{,40}\}",  # ${a}, {{a}}, {0:.2f}
            r"%L\d+",  # Qt's %L1
            CONVERSION,
            r"%\d+",  # Qt's %1
            r"\$\w+",  # $HOME, MediaWiki's $1
            r"@\w+@",
        ]
    )
)
ORDERED_CONVERSION = re.compile(r"%(?!\(|\d+\$|%)\D")
"""Start of a conversion that takes the next argument: these must keep their order."""
TAG = re.compile(r"</?([A-Za-z][\w:-]*)")
ACCESS_KEY = re.compile(r"(?<![A-Z&])&(?=[A-Za-z0-9])(?!\w+;)|(?<![\w_])_(?=[A-Za-z])")
"""Matches "&Open" and "_Open", but not "AT&T", "&amp;" or "snake_case"."""
SHORT_KEY = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
"""Matches "E_xit", in texts of few words."""
TRAILING_PUNCTUATION = re.compile(r"\s*(?:\.\.\.|…|[:：])*\s*$")
MAX_SHORT_WORDS = 3
LETTER = re.compile(r"[^\W\d_]")


def has_words(text: str) -> bool:
    """Whether there is text to translate besides placeholders."""
    return bool(LETTER.search(PLACEHOLDER.sub(" ", text)))


def keeps_placeholders(source: str, target: str) -> bool:
    """Whether a translation has the same placeholders as its source, in a valid order."""
    expected, found = PLACEHOLDER.findall(source), PLACEHOLDER.findall(target)
    return Counter(expected) == Counter(found) and group_ordered(expected) == group_ordered(found)


def group_ordered(placeholders: Sequence[str]) -> dict[str, list[str]]:
    """Group those that must keep their order: conversions, and the tags of each kind."""
    kinds: dict[str, list[str]] = {}
    for one in placeholders:
        if tag := TAG.match(one):
            kinds.setdefault(tag[1], []).append(one)
        elif ORDERED_CONVERSION.match(one):
            kinds.setdefault("%", []).append(one)
    return kinds


def mask_placeholders(
    text: str, terms: Sequence[tuple[int, int, str]] = ()
) -> tuple[str, list[str]]:
    """Replace placeholders by {0}, {1}, ...; returns the text and the placeholders.

    terms: start, end and translation of words outside of placeholders, which are masked, too.
    """
    spans = [(*match.span(), match[0]) for match in PLACEHOLDER.finditer(text)]
    masked, held, end = "", [], 0
    for start, stop, content in sorted([*spans, *terms]):
        masked += f"{text[end:start]}{{{len(held)}}}"
        held.append(content)
        end = stop
    return masked + text[end:], held


def unmask_placeholders(text: str, placeholders: Sequence[str]) -> str:
    """Restore placeholders; larger numbers stay unchanged."""

    def restore(match: re.Match[str]) -> str:
        k = int(match[1])
        return placeholders[k] if k < len(placeholders) else match[0]

    return re.sub(r"\{(\d{1,4})\}", restore, text)


def split_at_placeholders(piece: str) -> list[str]:
    """Split into words, and the placeholders and spaces between them."""
    parts = re.split(rf"(\s*(?:{PLACEHOLDER.pattern})\s*|^\s+|\s+$)", piece)
    return [part for part in parts if part]


def split_access_key(text: str) -> tuple[str, str]:
    """Remove the access key; returns the text and the key such as "&O", "" unless there is one."""
    plain = PLACEHOLDER.sub(lambda match: " " * len(match[0]), text)
    marks = [match.start() for match in ACCESS_KEY.finditer(plain)]
    if not marks and len(plain.split()) <= MAX_SHORT_WORDS and plain.count("_") == 1:
        marks = [match.start() for match in SHORT_KEY.finditer(plain)]
    if len(marks) != 1:
        return text, ""
    k = marks[0]
    return text[:k] + text[k + 1 :], text[k : k + 2]


def add_access_key(text: str, key: str) -> str:
    """Append an access key in the Chinese style: "打开..." with "&O" becomes "打开(&O)..."."""
    if not key:
        return text
    end = TRAILING_PUNCTUATION.search(text)
    k = end.start() if end else len(text)
    return f"{text[:k]}({key.upper()}){text[k:]}"
