"""`smalti data`: a look at pictures before training on them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from PIL import Image

from smalti.cli.findings import as_record, show
from smalti.cli.forecast import Forecast, check_trainable, forecast
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Size, Switch
from smalti.cli.output import Results, folder_for, write_record
from smalti.core.messages import count
from smalti.core.pictures import save_png
from smalti.core.progress import name_progress
from smalti.core.ranges import Positive
from smalti.core.size import parse_size, show_size
from smalti.data.audit import Audit, audit
from smalti.data.contact import contact_sheet, duplicate_sheet
from smalti.data.decode import Colour, look_of
from smalti.data.reading import opened_source, size_of

EXAMPLES = """[bold]Examples[/bold]

  smalti data photos
  smalti data photos.zip --size 64 --epochs 200
  smalti data hf:ylecun/mnist --out looks/mnist"""

FILES = Results(
    r"report\.json|contact\.png|duplicates\.png",
    "report.json",
    ("name", "pictures", "measures", "training"),
)
"""What a report on pictures holds."""

app = App(name="data", help_epilogue=EXAMPLES)


@app.default
def look_at(
    pictures: Annotated[
        str, Parameter(help="A folder, archive, .npz, IDX, LMDB, pack or hf:NAME.")
    ],
    /,
    *,
    size: Size = None,
    colour: Colour = "keep",
    background: str = "white",
    squeeze: Switch = False,
    epochs: Positive = 100,
    out: Path | None = None,
) -> None:
    """Look at pictures before training on them.

    Counts, sizes, colours, what cannot be read, what stands there twice, classes, splits, and how
    long training will take. Nothing is changed.

    Parameters
    ----------
    size
        Height and width to train at; 32, or a pack's own.
    colour
        keep gives one channel when every picture is grey, and three otherwise.
    background
        What shows through transparent pixels: a colour's name or #rrggbb.
    squeeze
        Squeeze the whole picture into a square instead of cutting out the centre.
    epochs
        How often training would see every picture, for the estimate of its time.
    out
        Folder for report.json, contact.png and duplicates.png; looks/NAME unless told otherwise.
    """
    side = parse_size(size or size_of(pictures) or 32)
    check_trainable(side)
    look = look_of(side, colour, background, not squeeze)
    with opened_source(pictures) as source:
        place, titles = out or Path("looks") / source.name, source.titles
        with folder_for(place, FILES) as folder:
            with ProgressMeter() as meter:
                found = audit(source, look, name_progress("looking", meter))
                sheets = {
                    "contact.png": contact_sheet(source, found, look),
                    "duplicates.png": duplicate_sheet(source, found, look),
                }
            time = forecast(shape_of(found, colour), tuple(found.classes))
            record = as_record(found, titles) | {"training": record_of(time, found, epochs)}
            write(folder, record, sheets)
    options = given(size, colour, background, squeeze)
    show(found, titles)
    tell(time, found, epochs)
    print(f"report    {place / 'report.json'}")
    for name, sheet in sheets.items():
        if sheet is not None:
            print(f"          {place / name}")
    print(f"next      {next_command(pictures, found, options)}")


def shape_of(found: Audit, colour: Colour) -> tuple[int, int, int]:
    C = {"keep": found.channels(), "grey": 1, "rgb": 3}[colour]
    return (C, *found.size)


def write(folder: Path, record: dict[str, Any], sheets: dict[str, Image.Image | None]) -> None:
    for name, sheet in sheets.items():
        if sheet is not None:
            save_png(sheet, folder / name)
    write_record(folder / "report.json", record)


def record_of(time: Forecast, found: Audit, epochs: float) -> dict[str, Any]:
    n = found.splits["train"]
    return {
        "recipe": "ddpm",
        "parameters": time.parameters,
        "batch": time.batch,
        "seconds_per_step": time.seconds_per_step,
        "measured_on": {"pictures": time.measured, "device": time.device},
        "epochs": epochs,
        "steps": time.steps(n, epochs),
        "minutes": time.minutes(n, epochs),
    }


def tell(time: Forecast, found: Audit, epochs: float) -> None:
    """What training takes, and what was measured to know it."""
    n = found.splits["train"]
    if not n:
        print("training  no picture is left to train on: give more of them")
        return
    print(
        f"training  {epochs:g} epochs of {count(n, 'picture')} by `ddpm` are "
        f"{count(time.steps(n, epochs), 'step')}, "
        f"about {time.minutes(n, epochs):.3g} minutes; 10 minutes are "
        f"{time.epochs(n, 10):.3g} epochs"
    )
    H, W = found.size
    print(
        f"          ({time.parameters / 1e6:.2f} M parameters, {time.seconds_per_step:.3g} s for a "
        f"step of {time.batch}, timed on {time.measured} pictures of {H} x {W} on {time.device})"
    )


def given(
    size: tuple[int, int] | None, colour: Colour, background: str, squeeze: bool
) -> dict[str, str]:
    """The options that say how pictures are read, as typed; those left out are not here."""
    every = {
        "--size": show_size(size) if size else None,
        "--colour": colour if colour != "keep" else None,
        "--background": shlex.quote(background) if background != "white" else None,
        "--squeeze": "" if squeeze else None,
    }
    return {name: value for name, value in every.items() if value is not None}


def next_command(pictures: str, found: Audit, options: dict[str, str]) -> str:
    """Training, or a pack first where training could not read the pictures this way."""
    words = "".join(f" {name} {value}".rstrip() for name, value in options.items())
    if found.bad or options.keys() - {"--size"}:
        skip = " --skip-bad" if found.bad else ""
        return f"smalti pack {shlex.quote(pictures)} packs/{shlex.quote(found.name)}{words}{skip}"
    return f"smalti train ddpm --data {shlex.quote(pictures)}{words}"
