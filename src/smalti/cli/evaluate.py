"""`smalti evaluate`: a model's quality on held-out data, with its protocol."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from cyclopts import Group, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.display import bold, dim, make_console
from smalti.cli.flags import Flags
from smalti.cli.samplers import make_model_verb
from smalti.cli.text_report import (
    describe_pairs,
    find_metric,
    make_score_tables,
    print_full_width,
)
from smalti.core.config_flags import list_flags
from smalti.core.messages import format_count
from smalti.evaluation.explain import explain_row, format_real, format_value
from smalti.evaluation.kinds import KINDS, find_output
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report
from smalti.tasks import evaluate

EXAMPLES = """[bold]Examples[/bold]

  smalti evaluate ddpm-digits --sampler dpm-solver --steps 10
  smalti evaluate vqvae-digits              a codec: PSNR, SSIM, codebook
  smalti evaluate en-zh-help --data test.jsonl      a translator: BLEU, chrF
  smalti evaluate runs/ddpm --data photos.zip --split valid --metrics kernel"""

Metrics = Annotated[
    tuple[str, ...],
    Parameter(
        help="Metrics, separated by commas (default: all).",
        consume_multiple=True,
        negative_iterable=(),
        show_default=False,
        metavar="NAMES",
    ),
]


def make_plan_flags() -> Flags:
    """The fields of a plan as options; the sampler has its own."""
    flags = {flag.name: flag for flag in list_flags(Plan()) if flag.name != "sampler"}
    flags["features"] = replace(flags["features"], hint=str)
    flags["memory"] = replace(flags["memory"], hint=tuple[str, ...])
    flags["n"] = replace(flags["n"], names=("--num", "-n"))
    return Flags(tuple(flags.values()), Group("Protocol", sort_key=1))


def print_evaluation(report: Report, arguments: CommandArguments) -> None:
    """The table, and where the files are."""
    print_report(report)
    names = KINDS[find_output(report.protocol.metrics)].sheets
    print(f"{', '.join(['report.json', *names])} in {arguments['out']}")


def print_report(report: Report) -> None:
    p = report.protocol
    out, head = make_console(), Text("\n") + bold(report.model)
    if find_output(p.metrics) == "text":
        out.print(head + f": {describe_pairs(report)}", soft_wrap=True)
        for table in make_score_tables(report):
            print_full_width(table)
        others = tuple(r for r in report.rows if r.value is None or not find_metric(r))
        return print_table(replace(report, rows=others), out, "value")
    if find_output(p.metrics) in ("codes", "latents"):
        held = format_count(p.held, f"{p.split} picture")
        head += f": {held} reconstructed; trained on {p.reference:,} of {p.data}"
        out.print(head, soft_wrap=True)
        return print_table(report, out, "codec")
    head += f": {describe_samples(report)}; reference: {p.reference:,} of {p.data}"
    out.print(head, soft_wrap=True)
    print_table(report, out, "samples")


def describe_samples(report: Report, suffix: str = "") -> str:
    p = report.protocol
    seeds = f"seeds {p.seed} to {p.seed + p.n - 1}" if p.n > 1 else f"seed {p.seed}"
    held = format_count(p.held, f"real {p.split} picture")
    return f"{format_count(p.n, 'sample')}{suffix} ({seeds}) and {held}"


def print_table(report: Report, out: Console, values_heading: str) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    real = any(row.real is not None for row in report.rows) or values_heading == "samples"
    for name in ("measure", values_heading, *["real"] * real, "how to read it"):
        table.add_column(name, no_wrap=name != "how to read it")
    for row in report.rows:
        values = format_value(row), *[format_real(row)] * real
        table.add_row(bold(row.name), *values, explain_row(row, report))
    out.print(table)
    for note in report.notes:
        out.print(dim(note), soft_wrap=True)


DataPaths = Annotated[
    tuple[str, ...],
    Parameter(
        name=("--corpus", "--data"),
        consume_multiple=True,
        negative_iterable=(),
        show_default=False,
        metavar="PATH",
    ),
]
"""Pictures, or one or two files of sentence pairs."""
OPTIONS: Any = {"keyword_only": {"data", "metrics"}, "metrics": Metrics, "data": DataPaths}
"""Of the verbs that measure: what is no word, and what these are."""
command = make_command(
    evaluate, print_evaluation, fixed={"name": None}, results_root="reports", **OPTIONS
)
app = make_model_verb(
    "evaluate", command, about={"help_epilogue": EXAMPLES}, plan=make_plan_flags()
)
