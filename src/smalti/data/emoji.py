"""Google's emoji: captions, categories and splits.

The source is the npm package `emoji-datasource-google`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError
from smalti.data.source import Split
from smalti.data.splitting import draw_permutation

PACKAGE, VERSION = "emoji-datasource-google", "16.0.0"
CATALOG_FILE, PICTURES_FOLDER = "emoji.json", "img/google/64"

TONES = {
    "1F3FB": "light skin tone",
    "1F3FC": "medium-light skin tone",
    "1F3FD": "medium skin tone",
    "1F3FE": "medium-dark skin tone",
    "1F3FF": "dark skin tone",
}
# Code points that make a variant of an emoji: gender, hair, direction, and joiners.
VARIANT_POINTS = {
    *TONES,
    "2640",
    "2642",
    "1F9B0",
    "1F9B1",
    "1F9B2",
    "1F9B3",
    "27A1",
    "FE0F",
    "200D",
}
# Man, woman, boy and girl count as one person; so do the single code points of couples.
PERSON, CHILD, OLD = "1F9D1", "1F9D2", "1F9D3"
CANONICAL_POINTS = {
    "1F468": PERSON, "1F469": PERSON, "1F471": PERSON, "1F9D4": PERSON,  # also blond, bearded
    "1F466": CHILD, "1F467": CHILD, "1F474": OLD, "1F475": OLD,
    "1F934": "royal", "1F478": "royal", "1FAC5": "royal",
    "1F385": "claus", "1F936": "claus", "1F483": "dancing", "1F57A": "dancing",
    "1F46B": "hands", "1F46C": "hands", "1F46D": "hands",
    "1F491": "heart", "1F48F": "kiss", "1F46A": "family",
    "1F930": "pregnant", "1FAC3": "pregnant", "1FAC4": "pregnant",
    "1FAF1": "handshake", "1FAF2": "handshake", "1F91D": "handshake",
}  # fmt: skip
# Next to people, the activity identifies the emoji.
ACTIVITY_POINTS = {"1F384": "claus", "handshake": "hands", "1F48B": "kiss", "2764": "heart"}


@dataclass(frozen=True)
class Emoji:
    """One picture of the package."""

    file_name: str
    """The picture file."""
    caption: str
    """A description in lower case: "artist, dark skin tone"."""
    category: str
    base: str
    """Equal for all variants of an emoji in skin tone, gender, hair and direction."""


def read_catalog(package: Path) -> list[Emoji]:
    """Read every picture of the unpacked package, in catalog order."""
    path = package / CATALOG_FILE
    try:
        entries = json.loads(path.read_text())
        emoji = [
            one for entry in entries if entry["has_img_google"] for one in expand_variants(entry)
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the catalog of {PACKAGE} {VERSION}: {error}") from error
    return emoji


def expand_variants(entry: dict[str, Any]) -> Iterator[Emoji]:
    """Yield an entry of the catalog, plain and in all its skin tones."""
    caption, category = make_caption(entry), entry["category"]
    yield Emoji(entry["image"], caption, category, find_base(entry["unified"]))
    for tones, one in entry.get("skin_variations", {}).items():
        names = " and ".join(TONES[tone] for tone in tones.split("-"))
        yield Emoji(one["image"], f"{caption}, {names}", category, find_base(one["unified"]))


def make_caption(entry: dict[str, Any]) -> str:
    return (entry["name"] or entry["short_name"].replace("-", " ")).lower()


def find_base(unified: str) -> str:
    """Find the code points that all variants of an emoji share."""
    points = [CANONICAL_POINTS.get(p, p) for p in unified.split("-") if p not in VARIANT_POINTS]
    people = [p for p in points if p in (PERSON, CHILD)]
    if people and len(points) > 1:
        if special := [ACTIVITY_POINTS[p] for p in points if p in ACTIVITY_POINTS]:
            return special[-1]  # the last: a kiss also has a heart
        if len(people) == len(points):
            return "family"
    return "-".join(sorted(set(points), key=points.index)) or unified


def split_emoji(emoji: list[Emoji], seed: int = 0) -> list[Split]:
    """Choose the split of each emoji; all variants of one are in the same split.

    In every category 5 % of the base emoji, at least one, are for validation and twice as many for
    testing; a category of fewer than ten is only for training.
    """
    split_by_base: dict[str, Split] = {}
    for category in sorted({e.category for e in emoji}):
        bases = sorted({e.base for e in emoji if e.category == category} - split_by_base.keys())
        order = draw_permutation(len(bases), seed)
        valid = max(1, round(0.05 * len(bases))) if len(bases) >= 10 else 0
        for i, k in enumerate(order.tolist()):
            split = "valid" if i < valid else "test" if i < 3 * valid else "train"
            split_by_base[bases[k]] = split
    return [split_by_base[e.base] for e in emoji]
