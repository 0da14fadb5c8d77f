"""fetch: pictures that others publish, packed where smalti finds them by name."""

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
    """Fetch pictures that others publish, and pack them.

    What lies there already is not downloaded again; remove its folder to fetch it anew.

    name: what to fetch: emoji, emoji4 (four styles), letters or textures.
    out: folder for the packs; $SMALTI_DATA or ~/.cache/smalti, where they are found by name.
    """
    if name not in FETCHERS:
        raise UserError(f"nothing named {name!r} can be fetched; {suggest_name(name, FETCHERS)}")
    return tuple(
        FETCHERS[name](Path(out or find_data_home()), label_progress("packing", on_progress))
    )
