"""Folders of results, and the record of how they were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smalti.core.folders import Results, check_free, folder_for, members

__all__ = ["Results", "check_free", "folder_for", "write_record"]


def write_record(path: Path, record: dict[str, Any]) -> None:
    """A JSON object with a line for each of its keys; the last one lists the files beside it."""
    content = {**record, "files": sorted(members(path.parent))}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
