"""`smalti evaluate`: how good a model is, in numbers that say how they were made."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Group, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smalti.cli.commands import Given, as_command
from smalti.cli.display import bold, console, dim
from smalti.cli.flags import Flags, flags_of
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.evaluation.kinds import KINDS, find_output
from smalti.evaluation.plan import Plan
from smalti.evaluation.reading import reading, shown_real, shown_value
from smalti.evaluation.report import Report
from smalti.tasks import evaluate

EXAMPLES = """[bold]Examples[/bold]

  smalti evaluate ddpm-digits
  smalti evaluate runs/vqvae-digits     a codec: PSNR, SSIM, and its codebook
  smalti evaluate runs/ddpm -n 500 --metrics memorisation,cost
  smalti evaluate models/mine --data photos.zip --split valid
  smalti evaluate ddpm-digits --sampler dpm-solver --steps 10 --out reports/fast"""

Metrics = Annotated[
    tuple[str, ...],
    Parameter(
        help="Which, with commas; all of them unless told otherwise: "
        + "; ".join(f"{output}: {', '.join(kind.measures)}" for output, kind in KINDS.items())
        + ".",
        consume_multiple=True,
        negative_iterable=(),
        show_default=False,
        metavar="NAMES",
    ),
]


def plan_flags() -> Flags:
    """The fields of a plan as options; the sampler has its own."""
    flags = {flag.name: flag for flag in flags_of(Plan()) if flag.name != "sampler"}
    flags["features"] = replace(flags["features"], hint=str)
    flags["n"] = replace(flags["n"], names=("--number", "-n"))
    return Flags(tuple(flags.values()), Group("Protocol", sort_key=1))


def show(report: Report, given: Given) -> None:
    """The table, and what to know of it."""
    show_table(report)
    names = KINDS[find_output(report.protocol.metrics)].sheets
    print(f"{', '.join(['report.json', *names])} in {given['out']}")


def show_table(report: Report) -> None:
    p = report.protocol
    out, head = console(), Text("\n") + bold(report.model)
    if find_output(p.metrics) == "codes":
        held = count(p.held, f"{p.split} picture")
        head += f": {held}, to codes and back; trained on the {p.reference:,} of {p.data}"
        out.print(head, soft_wrap=True)
        return table_of(report, out, "of the codec")
    head += f": {drawn_and_real(report)} beside the {p.reference:,} of {p.data}"
    out.print(head, soft_wrap=True)
    table_of(report, out, "samples")


def drawn_and_real(report: Report, of_each: str = "") -> str:
    p = report.protocol
    seeds = f"seeds {p.seed} to {p.seed + p.n - 1}" if p.n > 1 else f"seed {p.seed}"
    held = count(p.held, f"real {p.split} picture")
    return f"{count(p.n, 'sample')}{of_each} ({seeds}) and {held}"


def table_of(report: Report, out: Console, values: str) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("measure", values, "real", "how to read it"):
        table.add_column(name, no_wrap=name != "how to read it")
    for row in report.rows:
        says = reading(row, report)
        table.add_row(bold(row.name), shown_value(row), shown_real(row), says)
    out.print(table)
    for note in report.notes:
        out.print(dim(note), soft_wrap=True)


OPTIONS: Any = {"named": {"data", "metrics"}, "metrics": Metrics}
"""Of the verbs that measure: what is no word, and what these are."""
command = as_command(evaluate, show, fixed={"name": None}, home="reports", **OPTIONS)
app = verb_of_models("evaluate", command, about={"help_epilogue": EXAMPLES}, plan=plan_flags())
