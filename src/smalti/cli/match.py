"""`smalti match`: where every patch of a picture is found in another, or of a video in one."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import Matching, match

EXAMPLES = """[bold]Examples[/bold]

  smalti match a.png b.png --patch 7 --both-ways
  smalti match clip.gif                     each frame against the first"""

app = App(name="match", help_epilogue=EXAMPLES)


def print_matching(matching: Matching, arguments: CommandArguments) -> None:
    print(describe_matching(matching), f"{arguments['seconds']:.1f} s: {arguments['out']}")


def describe_matching(matching: Matching) -> str:
    """What stands on the terminal; None is the PSNR of equal pictures."""
    metrics = matching.metrics
    copied, voted = (
        "the same" if value is None else f"{value:.1f} dB"
        for value in (metrics.psnr_copied, metrics.psnr_voted)
    )
    what = (
        f"{format_count(len(matching.frame_metrics), 'frame')}, " if matching.frame_metrics else ""
    )
    back = "" if metrics.consistent is None else f", {metrics.consistent:.0%} lead back"
    return (
        f"{what}mean squared difference {metrics.mean_distance:.2f}; put together from B: "
        f"{copied} copied, {voted} voted{back};"
    )


app.default(make_command(match, print_matching, results_root="matches", a=Path, b=Path | None))
