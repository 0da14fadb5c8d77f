"""`smalti bench NAME`: how fast something is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.commands import Given, as_command
from smalti.cli.display import console
from smalti.tasks import Climbed, bench_patchmatch
from smalti.tasks.ladder import Step

EXAMPLES = """[bold]Examples[/bold]

  smalti bench patchmatch
  smalti bench patchmatch a.png b.png --exact
  smalti bench patchmatch --quick"""

app = App(name="bench", help_epilogue=EXAMPLES)


def show(done: Climbed, given: Given) -> None:
    """A row for every rung; times are those of the whole picture."""
    case, out = done.case, console(highlight=True)
    (H, W), (height, width) = case.a.shape[:2], case.b.shape[:2]
    title = f"{H} x {W} in {height} x {width} pixels, patch {case.patch}, "
    out.print(f"{title}{case.iterations} iterations; seconds without compiling")
    out.print(table(done.steps, H * W))
    for pixels in {s.pixels for s in done.steps} - {H * W}:
        note = f"  * run on {pixels:,} of the {H * W:,} pixels, and reckoned for all; "
        out.print(f"{note}--whole runs all", highlight=False)


def table(steps: Sequence[Step], pixels: int) -> Table:
    out = Table(box=SIMPLE_HEAD)
    out.add_column("rung", no_wrap=True)
    for word in ("seconds", "faster", "compiling", "distance", "of exact"):
        out.add_column(word, justify="right")
    first = seconds_of(steps[0], pixels)
    best = next((s.distance for s in steps if s.name.startswith("exact")), None)
    for step in steps:
        part, seconds = step.pixels < pixels, seconds_of(step, pixels)
        out.add_row(
            step.name + "*" * part,
            short(seconds),
            short(first / seconds),
            f"{step.compiling:.1f}",
            "" if part else f"{step.distance:.2f}",
            "" if part or not best else f"{step.distance / best:.2f}",
        )
    return out


def short(x: float) -> str:
    return f"{x:,.3g}" if x < 100 else f"{x:,.0f}"


def seconds_of(step: Step, pixels: int) -> float:
    """For the whole picture: by its pixels, if it ran on a crop."""
    return step.seconds * pixels / step.pixels


app.command(as_command(bench_patchmatch, show, a=Path | None, b=Path | None), name="patchmatch")
