"""fetch: download public datasets and pack them where smalti finds them by name."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.messages import suggest_name
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.data import find_data_home
from smalti.data.fetch_sets import FETCHERS
from smalti.data.fetched_packs import FetchedPack


def fetch(
    name: str, *, out: str | Path | None = None, on_progress: OnProgress = ignore_event
) -> tuple[FetchedPack, ...]:
    """Download and pack a public dataset.

    An existing pack is not downloaded again; delete its folder to fetch it anew.

    name: Dataset: emoji, emoji4, letters or textures. The pack emoji4 has four styles.
    out: Output folder (default: $SMALTI_DATA). Or ~/.cache/smalti if that is not set; packs are
    found there by name.
    """
    if name not in FETCHERS:
        raise UserError(f"no dataset {name!r} to fetch; {suggest_name(name, FETCHERS)}")
    return tuple(
        FETCHERS[name](Path(out or find_data_home()), label_progress("packing", on_progress))
    )
