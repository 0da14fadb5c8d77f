"""`smalti complete`: pictures whose rest is drawn by a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Completions, complete

EXAMPLES = """[bold]Examples[/bold]

  smalti complete runs/gated-pixelcnn-digits seven.png three.png -n 8
  smalti complete runs/gated-pixelcnn-digits seven.png --rows 10 --class 7 --temperature 0.9
  smalti complete runs/pixelcnn seven.png --mask hole.png"""

app = App(name="complete", help_epilogue=EXAMPLES)


def show(done: Completions, given: Given) -> None:
    share, ways = done.hole.float().mean(), count(len(done.seeds), "way")
    told = f"{count(len(done.known), 'picture')}, {share:.0%} drawn in {ways}"
    print(f"{told} in {given['seconds']:.1f} s: {given['out'] / 'grid.png'}")


app.default(as_command(complete, show, home="completions", pictures=Sequence[Path]))
