"""`smalti bench NAME`: time an algorithm on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.display import make_console
from smalti.cli.help_layout import OPTIONS
from smalti.tasks import Benchmark, bench_patchmatch
from smalti.tasks.patchmatch_variants import Timing

EXAMPLES = """[bold]Examples[/bold]

  smalti bench patchmatch --quick
  smalti bench patchmatch a.png b.png --exact"""

app = App(name="bench", help_epilogue=EXAMPLES, group_parameters=OPTIONS)


def print_benchmark(benchmark: Benchmark, arguments: CommandArguments) -> None:
    """A row for each variant; times are for the whole picture."""
    case, out = benchmark.problem, make_console(highlight=True)
    (H, W), (height, width) = case.a.shape[:2], case.b.shape[:2]
    title = f"{H} x {W} in {height} x {width} pixels, patch {case.patch}, "
    out.print(f"{title}{case.iterations} iterations; seconds without compiling")
    out.print(make_table(benchmark.timings, H * W))
    for pixels in {s.n_pixels for s in benchmark.timings} - {H * W}:
        note = f"  * timed on {pixels:,} of the {H * W:,} pixels and scaled; "
        out.print(f"{note}--whole times all", highlight=False)


def make_table(timings: Sequence[Timing], total_pixels: int) -> Table:
    out = Table(box=SIMPLE_HEAD)
    out.add_column("variant", no_wrap=True)
    for word in ("seconds", "faster", "compiling", "distance", "of exact"):
        out.add_column(word, justify="right")
    first = estimate_seconds(timings[0], total_pixels)
    best = next((s.mean_distance for s in timings if s.name.startswith("exact")), None)
    for step in timings:
        part, seconds = step.n_pixels < total_pixels, estimate_seconds(step, total_pixels)
        out.add_row(
            step.name + "*" * part,
            format_number(seconds),
            format_number(first / seconds),
            f"{step.compile_seconds:.1f}",
            "" if part else f"{step.mean_distance:.2f}",
            "" if part or not best else f"{step.mean_distance / best:.2f}",
        )
    return out


def format_number(x: float) -> str:
    return f"{x:,.3g}" if x < 100 else f"{x:,.0f}"


def estimate_seconds(timing: Timing, total_pixels: int) -> float:
    """Seconds for the whole picture, scaled by its pixels if timed on a crop."""
    return timing.seconds * total_pixels / timing.n_pixels


app.command(
    make_command(bench_patchmatch, print_benchmark, a=Path | None, b=Path | None), name="patchmatch"
)
