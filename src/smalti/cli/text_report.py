"""The tables of a translator's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.display import bold, make_console
from smalti.core.messages import format_count
from smalti.evaluation.explain import format_value
from smalti.evaluation.report import Report, Row

METRICS = {"bleu": "BLEU", "chrf": "chrF"}
WITHOUT_INTERVAL = ("copy", "memory")
"""Baselines, of which a number is enough."""


def describe_pairs(report: Report) -> str:
    p = report.protocol
    return f"{format_count(p.held, f'{p.split} sentence')} of {p.data}"


def find_metric(row: Row) -> str:
    """The metric of a row that scores a part; "" for other rows."""
    metric = row.name.split()[0]
    return metric if metric in METRICS else ""


def split_name(row: Row) -> tuple[str, str]:
    """A row's system and part: "bleu beam 4: debian-faq" has "beam 4" and "debian-faq"."""
    system, _, part = row.name.removeprefix(find_metric(row)).strip().partition(": ")
    return system, part


def make_score_tables(report: Report) -> Iterator[Table]:
    """A table for each metric: a row for each part, a column for each search and baseline."""
    for metric, title in METRICS.items():
        rows = [row for row in report.rows if find_metric(row) == metric]
        if any(row.value is not None for row in rows):
            yield make_score_table(title, rows)


def make_score_table(title: str, rows: Sequence[Row]) -> Table:
    cells = {split_name(row): row for row in rows}
    systems = dict.fromkeys(system for system, _ in cells)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    table.add_column("sentences / documents", justify="right", min_width=9)
    for system in systems:
        table.add_column(system, no_wrap=True)
    for part in dict.fromkeys(part for _, part in cells):
        found = [cells[system, part] for system in systems]
        counts = found[0].note.replace(" sentences, ", " / ").replace(" sentence, ", " / ")
        counts = counts.removesuffix(" documents").removesuffix(" document")
        table.add_row(bold(part or "all"), counts, *map(format_score, found))
    return table


def format_score(row: Row) -> str:
    brief = split_name(row)[0] in WITHOUT_INTERVAL or find_metric(row) == "chrf" or row.low is None
    return f"{row.value:.1f}" if brief and row.value is not None else format_value(row)


def print_full_width(table: Table) -> None:
    """At its full width, so that a narrow window cuts off no number."""
    needed = make_console(width=10_000).measure(table).maximum
    make_console(width=max(make_console().width, needed)).print(table)
