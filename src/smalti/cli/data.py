"""`smalti data`: a look at pictures before training on them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.findings import show
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Size, Switch
from smalti.core.messages import count
from smalti.core.ranges import Positive
from smalti.core.size import show_size
from smalti.data.audit import Audit
from smalti.data.decode import Colour
from smalti.tasks import Audited, audit

EXAMPLES = """[bold]Examples[/bold]

  smalti data photos
  smalti data photos.zip --size 64 --epochs 200
  smalti data hf:ylecun/mnist --out looks/mnist"""

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
    with ProgressMeter() as meter:
        audited = audit(
            pictures,
            out,
            into="looks",
            size=size,
            colour=colour,
            background=background,
            squeeze=squeeze,
            epochs=epochs,
            on_progress=meter,
        )
    show(audited.found)
    tell(audited)
    for file in audited.files:
        print(f"{'report' if file.name == 'report.json' else '':9} {file}")
    options = given(size, colour, background, squeeze)
    print(f"next      {next_command(pictures, audited.found, options)}")


def tell(audited: Audited) -> None:
    """What training takes, and what was measured to know it."""
    time, epochs, n = audited.time, audited.epochs, audited.found.splits["train"]
    if not n:
        print("training  no picture is left to train on: give more of them")
        return
    print(
        f"training  {epochs:g} epochs of {count(n, 'picture')} by `ddpm` are "
        f"{count(time.steps(n, epochs), 'step')}, "
        f"about {time.minutes(n, epochs):.3g} minutes; 10 minutes are "
        f"{time.epochs(n, 10):.3g} epochs"
    )
    H, W = audited.found.size
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
