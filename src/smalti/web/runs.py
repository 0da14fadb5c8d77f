"""Runs of training: folders of this machine where only it connects, elsewhere each client's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from smalti.core.errors import UserError, shorten
from smalti.core.messages import format_count
from smalti.core.saved_steps import is_run, list_steps
from smalti.web.limits import Limits

NAME = re.compile(r"(runs/)?(\w[\w.-]{0,39})", re.ASCII)


class Runs:
    """The runs of all clients: in `folder`/runs/CLIENT/NAME, or wherever a local client says."""

    def __init__(self, folder: Path, limits: Limits, *, is_local: bool):
        self.folder, self.limits, self.is_local = folder / "runs", limits, is_local

    def find(self, client: str, name: object) -> Path:
        """The folder of a run, which may not exist yet. UserError for what is no name."""
        if not isinstance(name, str) or not name:
            raise UserError(f"the run is {shorten(name)}; give its name")
        if self.is_local:
            return Path(name)
        if (match := NAME.fullmatch(name)) is None:
            raise UserError(
                f"the run is {shorten(name)}; give a name of up to 40 letters, digits, . _ and -"
            )
        return self.folder / client / match[2]

    def check_room(self, client: str, run: Path) -> None:
        """UserError if a new run would be one too many."""
        own = [*(self.folder / client).glob("*")]
        if not self.is_local and run not in own and len(own) >= self.limits.runs:
            count = format_count(len(own), "run")
            raise UserError(f"you have {count}, as many as this server keeps; remove one")

    def list_trained(self, client: str, names: Iterable[str]) -> dict[str, Path]:
        """The runs of a client that have a saved step, by name; `names` of a local one's."""
        if self.is_local:
            folders = {name: Path(name) for name in names}
        else:
            folders = {one.name: one for one in sorted((self.folder / client).glob("*"))}
        return {name: run for name, run in folders.items() if is_run(run) and list_steps(run)}

    def remove(self, client: str, name: str) -> None:
        """Remove a client's run. UserError on a server whose runs are folders of the machine."""
        run = self.find(client, name)
        if self.is_local or not run.is_dir():
            raise UserError(f"no such run here: {shorten(name)}; remove its folder yourself")
        shutil.rmtree(run)

    def forget_client(self, client: str) -> None:
        """Remove all runs of a client that the server keeps."""
        shutil.rmtree(self.folder / client, ignore_errors=True)
