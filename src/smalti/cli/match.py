"""`smalti match`: where every patch of a picture is found in another, or of a video in one."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Matching, match

EXAMPLES = """[bold]Examples[/bold]

  smalti match a.png b.png
  smalti match a.png b.png --method accurate
  smalti match a.png b.png --patch 7 --both-ways
  smalti match clip.gif                          every frame against the first
  smalti match frames/ reference.png             frames against a picture"""

app = App(name="match", help_epilogue=EXAMPLES)


def show(found: Matching, given: Given) -> None:
    print(tell(found), f"{given['seconds']:.1f} s: {given['out']}")


def tell(found: Matching) -> str:
    """What stands on the terminal; None is the PSNR of equal pictures."""
    facts = found.figures
    copied, voted = (
        "the same" if value is None else f"{value:.1f} dB"
        for value in (facts.psnr_copied, facts.psnr_voted)
    )
    what = f"{count(len(found.frames), 'frame')}, " if found.frames else ""
    back = "" if facts.consistent is None else f", {facts.consistent:.0%} lead back"
    return (
        f"{what}mean squared difference {facts.mean_distance:.2f}; put together from B: "
        f"{copied} copied, {voted} voted{back};"
    )


app.default(as_command(match, show, home="matches", a=Path, b=Path | None))
