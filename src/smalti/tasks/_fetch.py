"""fetch: pictures that others publish, packed where smalti finds them by name."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.messages import suggest
from smalti.core.progress import OnProgress, ignore, name_progress
from smalti.data import home
from smalti.data.fetch_sets import SETS
from smalti.data.fetched import Fetched


def fetch(
    name: str, *, out: str | Path | None = None, on_progress: OnProgress = ignore
) -> tuple[Fetched, ...]:
    """Fetch pictures that others publish, and pack them.

    What lies there already is not downloaded again; remove its folder to fetch it anew.

    name: what to fetch: emoji, emoji4 (four styles), letters or textures.
    out: folder for the packs; $SMALTI_DATA or ~/.cache/smalti, where they are found by name.
    """
    if name not in SETS:
        raise UserError(f"nothing named {name!r} can be fetched; {suggest(name, SETS)}")
    return tuple(SETS[name](Path(out or home()), name_progress("packing", on_progress)))
