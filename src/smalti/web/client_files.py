"""The files that one client may name in a job, and what it calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError, shorten
from smalti.web.archives import Archives
from smalti.web.runs import Runs
from smalti.web.uploads import Uploads


@dataclass
class ClientFiles:
    """Finds the files of one job, and notes their names."""

    client: str
    uploads: Uploads
    archives: Archives
    runs: Runs
    names: dict[str, str] = field(default_factory=dict)
    """What the client calls its files, by their paths here."""

    def note(self, path: Path, name: str) -> Path:
        """Note what a path is called."""
        for form in (path, path.resolve()):
            self.names[str(form)] = name
        return path

    def find_upload(self, upload_id: str) -> Path:
        """The file of one of its uploads. UserError for any other id."""
        upload = self.uploads.find(self.client, upload_id)
        return self.note(upload.path, upload.name)

    def find_data(self, value: object) -> Path:
        """An uploaded folder, or a path on a server for its own machine alone."""
        if isinstance(value, Mapping) and isinstance(value.get("upload"), str):
            archive = self.archives.find(self.client, value["upload"])
            return self.note(archive.path, archive.path.name)
        if not self.runs.is_local:
            raise UserError(
                f'data is {shorten(value)}; upload a folder, and give {{"upload": "its id"}}'
            )
        if not isinstance(value, str) or not value:
            raise UserError(f"data is {shorten(value)}; give a folder of pictures")
        return Path(value)

    def find_run(self, value: object) -> Path:
        """A run by its name; a path on a server for its own machine alone."""
        run = self.runs.find(self.client, value)
        self.runs.check_room(self.client, run)
        return run if self.runs.is_local else self.note(run, run.name)

    def rename(self, value: Any) -> Any:
        """Arguments with the client's names of files in place of paths here."""
        if isinstance(value, Path):
            return Path(self.names.get(str(value), str(value)))
        if isinstance(value, str):
            return self.names.get(value, value)
        if isinstance(value, dict):
            return {name: self.rename(one) for name, one in value.items()}
        return [self.rename(one) for one in value] if isinstance(value, list) else value
