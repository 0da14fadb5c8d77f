"""The list of sentences that are kept for judging translators: no model may be trained on them."""

from __future__ import annotations

import hashlib
from pathlib import Path

HELD_OUT = Path(__file__).parents[2] / "assets" / "data" / "translation-held-out.txt"
"""`hash_folded_text` of 1,049 sentences held out for evaluating translators: do not train or select
on pairs that contain one."""


def read_held_out(path: Path = HELD_OUT) -> frozenset[str]:
    """Read the hashes of held-out sentences, one per line."""
    return frozenset(path.read_text().split())


def fold_text(text: str) -> str:
    """Case-folded letters and digits only; sentences that are equal in it count as duplicates."""
    return "".join(character for character in text.casefold() if character.isalnum())


def hash_folded_text(text: str) -> str:
    """Hash the folded text to 16 hex digits, for the held-out list."""
    return hashlib.sha256(fold_text(text).encode()).hexdigest()[:16]
