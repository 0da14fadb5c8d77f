"""`smalti compare`: models side by side, under one protocol."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.commands import Given, as_command
from smalti.cli.display import bold, console, dim
from smalti.cli.evaluate import OPTIONS, drawn_and_real, plan_flags
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.evaluation.kinds import find_output
from smalti.evaluation.reading import shown_real, shown_value
from smalti.evaluation.report import Report, Row
from smalti.tasks import Comparison, compare

EXAMPLES = """[bold]Examples[/bold]

  smalti compare ddpm-digits runs/ddpm-digits
  smalti compare reports/a reports/b    saved reports: nothing is drawn again"""

SIGNS = {"lower": "less is better", "higher": "more is better", "": ""}
AIMS = {"nearest": "about 1 is good", "copies": "about 1% is good", "copying z": "-3 to 3 is good"}
"""Of rows that are good in the middle."""


def show(found: Comparison, given: Given) -> None:
    """A row for each measure, a column for each model, and the real pictures last."""
    reports = found.reports
    p = reports[0].protocol
    out, codecs = console(), find_output(p.metrics) == "codes"
    drawn = drawn_and_real(reports[0], " of each")
    if codecs:
        drawn = f"Codes of {count(p.held, f'{p.split} picture')}"
    out.print(f"\n{drawn} beside the {p.reference:,} of {p.data}", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("measure", *found.headings, "real", ""):
        table.add_column(name, no_wrap=True)
    if not codecs:
        table.add_row(bold("sampler"), *(shown_sampler(r) for r in reports))
    for name in dict.fromkeys(row.name for r in reports for row in r.rows):
        rows = [one(r, name) for r in reports]
        known = [row for row in rows if row is not None and row.value is not None]
        if not known:
            continue
        cells = [shown_value(row) if row else "-" for row in rows]
        table.add_row(bold(name), *cells, shown_real(known[0]), sign_of(known[0]))
    print_whole(table)
    for note in dict.fromkeys(note for r in reports for note in r.notes):
        out.print(dim(note), soft_wrap=True)


def shown_sampler(report: Report) -> str:
    """Its kind and its steps, which a model in two columns may differ in."""
    made = report.sampler if isinstance(report.sampler, dict) else {}
    return " ".join(str(made[key]) for key in ("tag", "steps") if key in made) or "-"


def sign_of(row: Row) -> str:
    """Which numbers of a row are good."""
    return AIMS.get(row.name, SIGNS[row.better])


def print_whole(table: Table) -> None:
    """As wide as it is: no number is cut off in a narrow window or a file."""
    needed = console(width=10_000).measure(table).maximum
    console(width=max(console().width, needed)).print(table)


def one(report: Report, name: str) -> Row | None:
    return next((row for row in report.rows if row.name == name), None)


USAGE = "Usage: smalti compare MODEL MODEL ... [OPTIONS]"
command = as_command(compare, show, models=Sequence[str], **OPTIONS)
about = {"usage": USAGE, "help_epilogue": EXAMPLES}
app = verb_of_models("compare", command, about=about, plan=plan_flags())
