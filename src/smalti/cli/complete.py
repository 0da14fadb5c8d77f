"""`smalti complete`: draw the missing part of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.options import PictureFiles
from smalti.core.messages import format_count
from smalti.tasks import Completions, complete

EXAMPLES = """[bold]Examples[/bold]

  smalti complete gated-pixelcnn-digits seven.png --keep-rows 10 --class 7
  smalti complete vqvae-digits-gpt seven.png --keep-rows 14
  smalti complete vqvae-digits-gpt seven.png --class 7 --guidance 2
  smalti complete runs/pixelcnn seven.png --mask hole.png -n 8"""

app = App(name="complete", help_epilogue=EXAMPLES)


def print_completions(completions: Completions, arguments: CommandArguments) -> None:
    share, ways = completions.hole.float().mean(), format_count(len(completions.seeds), "way")
    summary = (
        f"{format_count(len(completions.originals), 'picture')}, {share:.0%} drawn, {ways} each"
    )
    print(f"{summary} in {arguments['seconds']:.1f} s: {arguments['out'] / 'grid.png'}")


app.default(
    make_command(
        complete,
        print_completions,
        results_root="completions",
        pictures=Sequence[Path],
        picture=PictureFiles,
    )
)
