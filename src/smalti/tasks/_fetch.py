"""fetch: download public datasets, where smalti finds them by name."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.data import find_data_home
from smalti.data.corpora.fetched_corpus import NAME as CORPUS
from smalti.data.corpora.fetched_corpus import FetchedCorpus
from smalti.data.corpora.help_corpus import fetch_help_corpus
from smalti.data.fetch_sets import FETCHERS
from smalti.data.fetched_packs import FetchedPack


def fetch(
    name: str, *, out: str | Path | None = None, on_progress: OnProgress = ignore_event
) -> tuple[FetchedPack | FetchedCorpus, ...]:
    """Download a public dataset, and pack its pictures or sentence pairs.

    An existing one is not downloaded again; delete its folder to fetch it anew.

    name: Dataset, such as emoji or help-corpus. Pictures: emoji, emoji4 (four styles), letters,
    textures. Sentence pairs: help-corpus (English and Chinese help pages and messages).
    out: Output folder (default: $SMALTI_DATA). Or ~/.cache/smalti if that is not set; packs are
    found there by name.
    """
    names = [*FETCHERS, CORPUS]
    if name not in names:
        raise UserError(f"no dataset {name!r} to fetch; {suggest_name(name, names)}")
    folder = Path(out or find_data_home())
    if name == CORPUS:
        return tuple(fetch_help_corpus(folder, label_progress("fetching", on_progress)))
    return tuple(FETCHERS[name](folder, label_progress("packing", on_progress)))
