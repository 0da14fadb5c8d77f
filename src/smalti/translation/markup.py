"""Placeholders, tags and access keys of messages: what a translation has to keep."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

CONVERSION = r"%(?:\(\w+\)|\d+\$)?[-+#0']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh?|ll?|[Lqjzt])?[A-Za-z%]"
"""As in printf and Python: %s, %1$d, %-5.2f, %(name)s, %%; a space is no flag, for "100% of"."""
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
"""Begins a conversion that takes the next argument, whichever it is: these keep their order."""
TAG = re.compile(r"</?([A-Za-z][\w:-]*)")
ACCESS_KEY = re.compile(r"(?<![A-Z&])&(?=[A-Za-z0-9])(?!\w+;)|(?<![\w_])_(?=[A-Za-z])")
"""As in "&Open" and "_Open"; not in "AT&T", "&amp;" and "snake_case"."""
SHORT_KEY = re.compile(r"(?<=[A-Za-z])_(?=[A-Za-z])")
"""As in "E_xit", among a few words."""
TRAILING_PUNCTUATION = re.compile(r"\s*(?:\.\.\.|…|[:：])*\s*$")
MAX_SHORT_WORDS = 3
LETTER = re.compile(r"[^\W\d_]")


def has_words(text: str) -> bool:
    """Whether there is something to translate beside the placeholders."""
    return bool(LETTER.search(PLACEHOLDER.sub(" ", text)))


def keeps_placeholders(source: str, target: str) -> bool:
    """Whether a translation has the placeholders of its source, as often, in a usable order."""
    own, found = PLACEHOLDER.findall(source), PLACEHOLDER.findall(target)
    return Counter(own) == Counter(found) and group_ordered(own) == group_ordered(found)


def group_ordered(placeholders: Sequence[str]) -> dict[str, list[str]]:
    """Those that must keep their order: conversions, and of each kind of tag <b> before </b>."""
    kinds: dict[str, list[str]] = {}
    for one in placeholders:
        if tag := TAG.match(one):
            kinds.setdefault(tag[1], []).append(one)
        elif ORDERED_CONVERSION.match(one):
            kinds.setdefault("%", []).append(one)
    return kinds


def mask_placeholders(text: str) -> tuple[str, list[str]]:
    """The text with {0}, {1}, ... for its placeholders, and these."""
    found: list[str] = []

    def number(match: re.Match[str]) -> str:
        found.append(match[0])
        return f"{{{len(found) - 1}}}"

    return PLACEHOLDER.sub(number, text), found


def unmask_placeholders(text: str, placeholders: Sequence[str]) -> str:
    """The text with the placeholders back; numbers beyond them stay."""

    def restore(match: re.Match[str]) -> str:
        k = int(match[1])
        return placeholders[k] if k < len(placeholders) else match[0]

    return re.sub(r"\{(\d{1,4})\}", restore, text)


def split_access_key(text: str) -> tuple[str, str]:
    """The text without its access key, and the key as in "&O"; "" where it has none, or several."""
    plain = PLACEHOLDER.sub(lambda match: " " * len(match[0]), text)
    marks = [match.start() for match in ACCESS_KEY.finditer(plain)]
    if not marks and len(plain.split()) <= MAX_SHORT_WORDS and plain.count("_") == 1:
        marks = [match.start() for match in SHORT_KEY.finditer(plain)]
    if len(marks) != 1:
        return text, ""
    k = marks[0]
    return text[:k] + text[k + 1 :], text[k : k + 2]


def add_access_key(text: str, key: str) -> str:
    """As Chinese programs write it: "Open..." with "&O" is "打开(&O)..."."""
    if not key:
        return text
    end = TRAILING_PUNCTUATION.search(text)
    k = end.start() if end else len(text)
    return f"{text[:k]}({key.upper()}){text[k:]}"
