"""`smalti decompress`: the pictures of a compressed file."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import DecompressedPictures, decompress

EXAMPLES = """[bold]Examples[/bold]

  smalti decompress digits.smalti digits-again
  smalti decompress scan.smalti scans --model runs/pixelcnn"""

app = App(name="decompress", help_epilogue=EXAMPLES)


def print_decompressed(decompressed: DecompressedPictures, arguments: CommandArguments) -> None:
    pictures = format_count(len(decompressed.pixels), "picture")
    print(f"{pictures} in {arguments['seconds']:.1f} s, checksum verified: {arguments['out']}")


app.default(
    make_command(decompress, print_decompressed, required={"out"}, file=Path, model=str | None)
)
