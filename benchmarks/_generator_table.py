"""The table and the plot of generators of digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from smalti.evaluation.report import Report, Row

TIMED_SAMPLES = 64


@dataclass(frozen=True)
class Result:
    """What was measured of a generator."""

    name: str
    seconds: float
    """Processor seconds of 64 samples."""
    minutes: float | None
    """Minutes of training, from the model card."""
    report: Report

    def find_row(self, name: str) -> Row | None:
        """A row of the report, if it could be measured."""
        rows = [row for row in self.report.rows if row.name == name and row.value is not None]
        return rows[0] if rows else None


COLUMNS = (
    "Frechet", "kernel x 1000", "recognized", "recall", "bits/dim", "nats/code",
    f"{TIMED_SAMPLES} samples", "parameters", "minutes",
)  # fmt: skip


def format_table(results: list[Result]) -> str:
    """Format a Markdown table; the last row is real digits, as many as there are."""
    protocol = results[0].report.protocol
    real = [f"{protocol.held} {protocol.split} digits"]
    real += [format_value(results[0].find_row(name), *how, real=True) for name, how in CELLS]
    lines = [("", *COLUMNS), ("---",) * (1 + len(COLUMNS)), *map(list_cells, results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*lines, (*real, *[""] * 5)])


CELLS = (
    ("frechet", ("{:.3f}", 1)),
    ("kernel", ("{:.2f}", 1000)),
    ("accuracy", ("{:.1%}", 1)),
    ("recall", ("{:.1%}", 1)),
)


def list_cells(result: Result) -> tuple[str, ...]:
    quality = [format_value(result.find_row(name), *how) for name, how in CELLS]
    likelihood = [
        format_value(result.find_row(name), "{:.3f}", 1) for name in ("bits/dim", "nats/code")
    ]
    if (bits := result.find_row("bits/dim")) and "bound" in bits.note:
        likelihood[0] = f"<= {likelihood[0]}"
    parameters = result.find_row("parameters")
    cost = (
        f"{result.seconds:.2f} s",
        f"{parameters.value:,.0f}" if parameters and parameters.value else "",
        "" if result.minutes is None else f"{result.minutes:g}",
    )
    return (result.name, *quality, *likelihood, *cost)


def format_value(row: Row | None, form: str, factor: float, real: bool = False) -> str:
    """Format a value with its error; real: those of held-out digits."""
    value, error = (None, None) if row is None else (row.value, row.error)
    if row is not None and real:
        value, error = row.real, row.real_error
    if value is None:
        return ""
    text = form.format(factor * value)
    return text if error is None else f"{text} ± {form.format(factor * error)}"


def format_result(result: Result) -> str:
    return "; ".join(cell for cell in list_cells(result) if cell)


def plot_results(results: list[Result], path: Path) -> None:
    """Plot the Frechet distance against the seconds of 64 samples, both logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for result in results:
        row = result.find_row("frechet")
        if row is None or row.value is None:
            continue
        axes.errorbar(result.seconds, row.value, row.error, fmt="o", capsize=3, label=result.name)
    frechet = results[0].find_row("frechet")
    if frechet is not None and frechet.real is not None:
        axes.axhline(frechet.real, color="gray", ls="--", lw=1, label="real digits")
    axes.set(xscale="log", yscale="log", ylabel="Frechet distance")
    axes.set_xlabel(f"processor seconds for {TIMED_SAMPLES} samples")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))  # labels that do not overlap
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=100)
    plt.close(figure)
