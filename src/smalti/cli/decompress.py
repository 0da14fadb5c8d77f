"""`smalti decompress`: the pictures that were compressed, as they were."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Decompressed, decompress

EXAMPLES = """[bold]Examples[/bold]

  smalti decompress digits.smalti again
  smalti decompress scan.smalti scans --model runs/pixelcnn"""

app = App(name="decompress", help_epilogue=EXAMPLES)


def show(done: Decompressed, given: Given) -> None:
    pictures = count(len(done.pixels), "picture")
    print(f"{pictures} in {given['seconds']:.1f} s, their checksum right: {given['out']}")


app.default(as_command(decompress, show, needs={"out"}, file=Path, model=str | None))
