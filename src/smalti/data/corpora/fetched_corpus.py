"""The corpus that `smalti fetch help-corpus` writes: where it is, and what it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.short_repr import add_short_repr
from smalti.data.packs import find_data_home

NAME, PAIRS, RECORD = "help-corpus", "pairs.jsonl.xz", "corpus.json"
FORMAT = 1
"""Of the extraction; a corpus of another one is fetched anew."""


@dataclass(frozen=True)
@add_short_repr
class FetchedCorpus:
    """A downloaded corpus of sentence pairs."""

    path: Path
    corpora: dict[str, int]
    """Pairs by corpus."""
    licenses: dict[str, str]
    """Licenses by corpus."""
    missing: dict[str, str]
    """Packages that were not found, with the reason."""
    n_held_out: int
    """Pairs left out, because they are kept for judging translators."""
    n_unreadable: int
    """Files that could not be read, and were left out."""
    n_terms: int
    """Terms of the glossary."""
    is_new: bool = True
    """False if the corpus already existed and nothing was downloaded."""

    @property
    def n_pairs(self) -> int:
        """Pairs of all corpora."""
        return sum(self.corpora.values())


def describe_existing(path: Path) -> FetchedCorpus | None:
    """Describe a fetched corpus; None if there is none of this format."""
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT or not (path / PAIRS).exists():
            return None
        fields = ("corpora", "licenses", "missing", "n_held_out", "n_unreadable", "n_terms")
        return FetchedCorpus(path, *(record[name] for name in fields), is_new=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_corpus(path: str | Path) -> Path:
    """The path, or the file of a fetched corpus of this name. Raises UserError if not fetched."""
    fetched = find_data_home() / NAME
    if str(path) == NAME and not Path(path).exists():
        if describe_existing(fetched) is None:
            raise UserError(f"{NAME} is not downloaded yet; run `smalti fetch {NAME}`")
        return fetched / PAIRS
    return Path(path)
