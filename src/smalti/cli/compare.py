"""`smalti compare`: models side by side, under one protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.box import SIMPLE_HEAD
from rich.table import Table

from smalti.cli.display import bold, console, dim
from smalti.cli.evaluate import Metrics, drawn_and_real, examined, measured_model
from smalti.cli.flags import with_flags
from smalti.cli.options import Number, Switch
from smalti.cli.output import Results, folder_for
from smalti.cli.sample import sampler_flags
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.ranges import Batch, Bootstraps, Seed
from smalti.evaluation.assess import Plan, Split
from smalti.evaluation.draws import Turns
from smalti.evaluation.reading import shown_real, shown_value
from smalti.evaluation.report import Report, Row, check_comparable, read_report, write_report

EXAMPLES = """[bold]Examples[/bold]

  smalti compare ddpm-digits runs/ddpm-digits
  smalti compare reports/a reports/b    saved reports: nothing is drawn again"""

FILES = Results(r"[^/]+\.json", keys=("format", "protocol", "rows"))
"""What a folder of reports holds."""
SIGNS = {"lower": "less is better", "higher": "more is better", "": ""}
AIMS = {"nearest": "about 1 is good", "copies": "about 1% is good", "copying z": "-3 to 3 is good"}
"""Of rows that are good in the middle."""

app = App(
    name="compare",
    usage="Usage: smalti compare MODEL MODEL ... [OPTIONS]",
    help_epilogue=EXAMPLES,
)


def compare_models(
    *models: str,
    data: str | None = None,
    number: Number = 1000,
    seed: Seed = 0,
    features: str = "auto",
    split: Split | None = None,
    metrics: Metrics = (),
    classes: Turns = "turns",
    mirrored: Switch = False,
    batch: Batch = 100,
    bootstraps: Bootstraps = 100,
    out: Path | None = None,
    device: str = "auto",
    sampler: dict[tuple[str, ...], Any],
) -> None:
    """Put models side by side; numbers of different protocols are refused.

    Parameters
    ----------
    models
        Shipped models' names, runs, checkpoints, or reports that `smalti evaluate` saved.
    data
        The pictures that they were trained on; runs and shipped models know theirs.
    number
        How many samples of each.
    seed
        The first sample's seed; the others count up from it.
    features
        What pictures are looked at through; `smalti evaluate --help` tells.
    split
        The real pictures of the yardstick: test where the data have them, else valid.
    classes
        turns asks for every class equally often, data as often as the training pictures have it.
    mirrored
        Look for copies left for right, too.
    batch
        Samples drawn at a time.
    bootstraps
        How often samples are drawn again for an error bar.
    out
        Folder for the reports, one file for each model; none are kept unless it is given.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    if len(models) < 2:
        given = f"{len(models) or 'no'} model is given"
        raise UserError(f"{given}; compare takes two or more")
    plan = Plan(number, seed, features, split, None, classes, mirrored, batch, bootstraps)
    reports = [read_report(m) if is_report(m) else None for m in models]
    check_comparable([r for r in reports if r])  # before anything is drawn
    check_shapes(models, reports, device)
    found: list[Report] = []
    with folder_for(out, FILES) if out else nullcontext() as folder:
        for model, saved in zip(models, reports, strict=True):
            found.append(saved or examined(model, data, metrics, plan, sampler, device).report)
            check_comparable(found)  # before the next one is drawn
        if folder:
            for heading, report in zip(headings(found), found, strict=True):
                write_report(report, folder / f"{file_name(heading)}.json")
    show_side_by_side(found)


def check_shapes(models: Sequence[str], reports: Sequence[Report | None], device: str) -> None:
    """UserError where two models draw pictures of different shapes, which needs no drawing."""
    shapes = [
        report.protocol.shape if report else drawn_shape(model, device)
        for model, report in zip(models, reports, strict=True)
    ]
    for model, shape in zip(models[1:], shapes[1:], strict=True):
        if shape != shapes[0]:
            raise UserError(
                f"{models[0]} draws pictures of {shapes[0]} and {model} of {shape}, which do not "
                "compare; name models of the same pictures"
            )


def drawn_shape(model: str, device: str) -> tuple[int, ...]:
    spec = measured_model(model, device).spec
    return (spec.channels, *(spec.size or ()))


def is_report(model: str) -> bool:
    """Whether that is a saved report, or a folder with one that `smalti evaluate` made.

    A run may hold a report.json, too: what `smalti report` tells about its training.
    """
    path = Path(model)
    is_run = (path / "run.json").is_file()
    return path.suffix == ".json" or ((path / "report.json").is_file() and not is_run)


def headings(reports: list[Report]) -> list[str]:
    """The models' names; one that stands before counts up."""
    names = [r.model for r in reports]
    return [
        name if name not in names[:i] else f"{name} ({names[:i].count(name) + 1})"
        for i, name in enumerate(names)
    ]


def file_name(heading: str) -> str:
    """A name as a file's, whoever wrote the report: in its folder, and not too long."""
    return re.sub(r"[^\w .()+-]|^\.", "_", heading)[:60]


def show_side_by_side(reports: list[Report]) -> None:
    """A row for each measure, a column for each model, and the real pictures last."""
    p = reports[0].protocol
    out, codecs = console(), "codebook" in p.metrics
    drawn = drawn_and_real(reports[0], " of each")
    if codecs:
        drawn = f"Codes of {count(p.held, f'{p.split} picture')}"
    out.print(f"\n{drawn} beside the {p.reference:,} of {p.data}", soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("measure", *headings(reports), "real", ""):
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


app.default(with_flags(compare_models, sampler=sampler_flags()))
