"""`smalti bench NAME`: how fast something is on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.display import console
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Switch
from smalti.core.ranges import Range, Seed, Threads, Width
from smalti.tasks import Climbed, bench_patchmatch
from smalti.tasks.ladder import Step

EXAMPLES = """[bold]Examples[/bold]

  smalti bench patchmatch
  smalti bench patchmatch a.png b.png --exact
  smalti bench patchmatch --quick"""

app = App(name="bench", help_epilogue=EXAMPLES)


@app.default
def bench(
    name: Literal["patchmatch"],
    a: Path | None = None,
    b: Path | None = None,
    /,
    *,
    patch: Width = 3,
    iterations: Annotated[int, Range(1, 10_000)] = 5,
    seed: Seed = 0,
    whole: Switch = False,
    exact: Switch = False,
    quick: Switch = False,
    threads: Annotated[Threads | None, Parameter(show_default=False)] = None,
) -> None:
    """Time one PatchMatch as plain Python, NumPy and Numba, stopping early, tuned, in parallel.

    All of these come to the same field; beside them the accurate method, and the exact field.

    Parameters
    ----------
    name
        patchmatch, the only one so far.
    a
        The picture to match; without it, and B, two are made up.
    b
        Where to look.
    patch
        Width of the patches in pixels; odd.
    iterations
        Rounds of propagation and search.
    seed
        Of the random search.
    whole
        Run plain Python and NumPy on all of A, not on a crop; minutes.
    exact
        Find the exact field, too, and how far from it the others are.
    quick
        Small pictures, in a few seconds, most of it compiling.
    threads
        At most so many at once; as many as there are cores unless told otherwise.
    """
    with ProgressMeter() as meter:
        done = bench_patchmatch(
            a,
            b,
            patch=patch,
            iterations=iterations,
            seed=seed,
            whole=whole,
            exact=exact,
            quick=quick,
            threads=threads,
            on_progress=meter,
        )
    show(done)


def show(done: Climbed) -> None:
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
