"""Messages of programs as sentences: without access keys and shared tags."""

from __future__ import annotations

import html
import re

from smalti.data.corpora.blocks import remove_long_references, tidy_text
from smalti.data.corpora.pair import SentencePair

ACCESS_KEY = re.compile(r"\s*[(（]([_&~])(\w)[)）]")
"""An access key of an East Asian program: 文件(&F)."""
KEY_MARK = re.compile(r"(?<![\w&;])&(?=[A-Za-z])(?!\w+;)")
TAG = re.compile(r"</?[A-Za-z][\w:-]*(?:\s[^<>]*)?/?>")
"""A tag; <http://...> is none."""


def clean_message(pair: SentencePair) -> SentencePair:
    """Remove access keys and the tags that both sides have; decode entities, join lines."""
    sides = [html.unescape(remove_long_references(text)) for text in pair[:2]]
    source, target = remove_access_keys(*sides)
    for tag in {*TAG.findall(source)} & {*TAG.findall(target)}:
        source, target = source.replace(tag, ""), target.replace(tag, "")
    return pair._replace(source=tidy_text(source), target=tidy_text(target))


def remove_access_keys(source: str, target: str) -> tuple[str, str]:
    """Remove access keys: "&File" and "文件(&F)", or marks that the target lacks.

    A mark & in the middle of a word (AT&T) is removed only where the target tells the key.
    """
    if match := ACCESS_KEY.search(target):
        target = ACCESS_KEY.sub("", target)
        mark = re.compile(re.escape(match[1]) + f"(?={re.escape(match[2])})", re.IGNORECASE)
        return mark.sub("", source, count=1), target
    if "&" not in target:
        source = KEY_MARK.sub("", source)
    return source, target
