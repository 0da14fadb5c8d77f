"""`smalti compare`: several models under one protocol."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.display import bold, dim, make_console
from smalti.cli.evaluate import OPTIONS, describe_samples, make_plan_flags
from smalti.cli.samplers import make_model_verb
from smalti.cli.text_report import METRICS, describe_pairs, print_full_width
from smalti.core.messages import format_count
from smalti.evaluation.explain import format_real, format_value
from smalti.evaluation.kinds import find_output
from smalti.evaluation.report import Report, Row
from smalti.tasks import Comparison, compare

EXAMPLES = """[bold]Examples[/bold]

  smalti compare ddpm-digits runs/ddpm-digits
  smalti compare reports/a reports/b        saved reports"""

DIRECTIONS = {"lower": "lower is better", "higher": "higher is better", "": ""}
TARGETS = {
    "nearest": "about 1 is good",
    "copies": "about 1% is good",
    "copying z": "-3 to 3 is good",
}
"""Rows whose best value is in the middle of the range."""


def print_comparison(comparison: Comparison, arguments: CommandArguments) -> None:
    """A row for each measure, a column for each model, and the real pictures last."""
    reports = comparison.reports
    p = reports[0].protocol
    out, output = make_console(), find_output(p.metrics)
    out.print(f"\n{describe_protocol(reports[0])}", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("measure", *comparison.headings, "real", ""):
        table.add_column(name, no_wrap=True)
    if output not in ("codes", "latents"):
        table.add_row(bold("sampler"), *(describe_sampler(r) for r in reports))
    for name in dict.fromkeys(row.name for r in reports for row in r.rows):
        rows = [find_row(r, name) for r in reports]
        known = [row for row in rows if row is not None and row.value is not None]
        if not known:
            continue
        cells = [format_value(row) if row else "-" for row in rows]
        table.add_row(bold(name), *cells, format_real(known[0]), describe_direction(known[0]))
    print_full_width(table)
    for heading, rows in comparison.differences.items():
        gains = ", ".join(describe_gain(row) for row in rows)
        out.print(f"{heading} beyond {comparison.headings[0]}: {gains}", soft_wrap=True)
    for note in dict.fromkeys(note for r in reports for note in r.notes):
        out.print(dim(note), soft_wrap=True)


def describe_protocol(report: Report) -> str:
    """What all reports have in common."""
    p, output = report.protocol, find_output(report.protocol.metrics)
    if output == "text":
        return describe_pairs(report)
    drawn = describe_samples(report, " of each")
    if output in ("codes", "latents"):
        drawn = f"Reconstructions of {format_count(p.held, f'{p.split} picture')}"
    return f"{drawn}; reference: {p.reference:,} of {p.data}"


def describe_gain(row: Row) -> str:
    """A difference of two scores, with its 95% interval where there is one."""
    interval = "" if row.low is None else f" ({row.low:+.1f} to {row.high:+.1f})"
    return f"{METRICS[row.name]} {row.value:+.1f}{interval}"


def describe_sampler(report: Report) -> str:
    """Type and steps: one model may be compared under two samplers."""
    made = report.sampler if isinstance(report.sampler, dict) else {}
    return " ".join(str(made[key]) for key in ("tag", "steps") if key in made) or "-"


def describe_direction(row: Row) -> str:
    """Which values are good."""
    return TARGETS.get(row.name, DIRECTIONS[row.better])


def find_row(report: Report, name: str) -> Row | None:
    return next((row for row in report.rows if row.name == name), None)


USAGE = "Usage: smalti compare MODEL MODEL ... [OPTIONS]"
command = make_command(compare, print_comparison, models=Sequence[str], **OPTIONS)
about = {"usage": USAGE, "help_epilogue": EXAMPLES}
app = make_model_verb("compare", command, about=about, plan=make_plan_flags())
