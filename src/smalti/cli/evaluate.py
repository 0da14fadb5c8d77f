"""`smalti evaluate`: how good a model is, in numbers that say how they were made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

import smalti
from smalti.cli.display import bold, console, dim
from smalti.cli.draw import chosen_device, name_of, picture_model
from smalti.cli.flags import with_flags
from smalti.cli.options import Number, Switch
from smalti.cli.output import Results, folder_for
from smalti.cli.reference import Progress, flips, notes_on_data, reference_of
from smalti.cli.sample import chosen_sampler, sampler_flags
from smalti.core.errors import UserError
from smalti.core.messages import count
from smalti.core.ranges import Batch, Bootstraps, Seed
from smalti.evaluation.assess import Evaluation, Plan, Split, chosen_network, examine, held_out
from smalti.evaluation.codec import SHEETS, CodecFound, examine_codec, write_codec_sheets
from smalti.evaluation.draws import Turns, device_of
from smalti.evaluation.measures import MEASURES, chosen_measures
from smalti.evaluation.reading import reading, shown_real, shown_value
from smalti.evaluation.report import Report, write_report
from smalti.evaluation.sheets import NAMES, write_sheets

EXAMPLES = """[bold]Examples[/bold]

  smalti evaluate ddpm-digits
  smalti evaluate runs/vqvae-digits     a codec: PSNR, SSIM, and its codebook
  smalti evaluate runs/ddpm -n 500 --metrics memorisation,cost
  smalti evaluate models/mine --data photos.zip --split valid
  smalti evaluate ddpm-digits --sampler dpm-solver --steps 10 --out reports/fast"""

FILES = Results(
    r"report\.json|(samples|neighbours|distances|reconstructions|codes)\.png",
    "report.json",
    ("format", "protocol", "rows"),
)
"""What a folder of a report holds."""

Metrics = Annotated[
    tuple[str, ...],
    Parameter(
        help=f"Which, with commas: {', '.join(MEASURES)}; all of them unless told otherwise.",
        consume_multiple=True,
        negative_iterable=(),
        show_default=False,
        metavar="NAMES",
    ),
]

app = App(name="evaluate", help_epilogue=EXAMPLES)


def evaluate_model(
    model: str,
    /,
    *,
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
    """Measure a model: its samples beside real pictures, copying, likelihood, cost.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    data
        The pictures that it was trained on; a run and a shipped model know theirs.
    number
        How many samples.
    seed
        The first sample's seed; the others count up from it.
    features
        What pictures are looked at through: auto, digits, emoji, inception, or a checkpoint.
    split
        The real pictures of the yardstick: test where the data have them, else valid.
    classes
        turns asks for every class equally often, data as often as the training pictures have it.
    mirrored
        Look for copies left for right, too; a run that was trained with --flip always does.
    batch
        Samples drawn at a time.
    bootstraps
        How often samples are drawn again for an error bar.
    out
        Folder for the report and its pictures; reports/MODEL unless told otherwise.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    out = out or Path("reports") / name_of(model)
    plan = Plan(number, seed, features, split, None, classes, mirrored, batch, bootstraps)
    with folder_for(out, FILES) as folder:
        found = examined(model, data, metrics, plan, sampler, device)
        write_report(found.report, folder / "report.json")
        names = write_sheets_of(found, folder)
    show(found.report)
    print(f"{', '.join(['report.json', *names])} in {out}")


def write_sheets_of(found: Evaluation | CodecFound, folder: Path) -> tuple[str, ...]:
    """The report's pictures; their names."""
    if isinstance(found, CodecFound):
        write_codec_sheets(found, folder)
        return SHEETS
    write_sheets(found.case, folder)
    return NAMES


def examined(
    model: str,
    data: str | None,
    metrics: tuple[str, ...],
    plan: Plan,
    sampler: dict[tuple[str, ...], Any],
    device: str,
) -> Evaluation | CodecFound:
    """A model evaluated on the pictures that it was trained on, with progress."""
    names = [name for word in metrics for name in word.split(",") if name] or None
    chosen_measures(names)  # a wrong one is refused before any work
    loaded = measured_model(model, device)
    progress = Progress()
    try:
        reference = reference_of(model, loaded, data, progress)
        if loaded.spec.output == "codes":
            split, held = held_out(reference, plan.split)
            network, reason = chosen_network(plan.features, held, device_of(loaded))
            name = name_of(model)
            found = examine_codec(loaded, reference, split, held, network, reason, name, progress)
            return with_notes(found, notes_on_data(model, data, reference))
        values = {**plan.__dict__, "sampler": chosen_sampler(loaded, sampler)}
        values["mirrored"] = plan.mirrored or flips(model)
        found = examine(loaded, reference, names, Plan(**values), name_of(model), progress)
        return with_notes(found, notes_on_data(model, data, reference))
    except UserError as error:
        raise UserError(f"{model}: {error}") from error
    finally:
        progress.close()


def with_notes(found: Evaluation | CodecFound, notes: tuple[str, ...]) -> Evaluation | CodecFound:
    return replace(found, report=replace(found.report, notes=(*notes, *found.report.notes)))


def measured_model(name: str, device: str) -> Any:
    """A model that draws pictures, or a codec. UserError when it is neither."""
    model = smalti.load(name, device=chosen_device(device))
    if getattr(getattr(model, "spec", None), "output", None) == "codes":
        return model
    return picture_model(name, device)


def show(report: Report) -> None:
    """The table, and what to know of it."""
    p = report.protocol
    out, head = console(), Text("\n") + bold(report.model)
    if "codebook" in p.metrics:
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


app.default(with_flags(evaluate_model, sampler=sampler_flags()))
