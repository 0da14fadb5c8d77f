"""audit: a look at pictures before training on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.core.brief import brief
from smalti.core.config import fitted
from smalti.core.folders import Results, results_folder, write_record
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, ignore, name_progress
from smalti.core.ranges import Positive
from smalti.core.size import Size, parse_size
from smalti.data.audit import Audit
from smalti.data.audit import audit as audit_source
from smalti.data.contact import contact_sheet, duplicate_sheet
from smalti.data.decode import Colour, look_of
from smalti.data.reading import opened_source, size_of
from smalti.tasks._forecast import RECIPE, Forecast, check_trainable, forecast

FILES = Results(
    r"report\.json|contact\.png|duplicates\.png",
    "report.json",
    ("name", "pictures", "measures", "training"),
)
"""What a report on pictures holds."""


@dataclass(frozen=True, eq=False)
@brief
class Audited:
    """What was found in a set of pictures, and how long training on them would take."""

    found: Audit
    time: Forecast
    epochs: float
    files: tuple[Path, ...]
    """Those that were written."""

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        n, time = self.found.splits["train"], self.time
        training = {
            "recipe": RECIPE,
            "parameters": time.parameters,
            "batch": time.batch,
            "seconds_per_step": time.seconds_per_step,
            "measured_on": {"pictures": time.measured, "device": time.device},
            "epochs": self.epochs,
            "steps": time.steps(n, self.epochs),
            "minutes": time.minutes(n, self.epochs),
        }
        return {**self.found.to_json(), "training": training}


def audit(
    pictures: str | Path,
    *,
    out: str | Path | None = None,
    into: str | Path | None = None,
    size: Size | None = None,
    colour: Colour = "keep",
    background: str = "white",
    squeeze: bool = False,
    epochs: Positive = 100,
    on_progress: OnProgress = ignore,
) -> Audited:
    """Look at pictures before training on them.

    Counts, sizes, colours, what cannot be read, what stands there twice, classes, splits, and how
    long training will take. Nothing is changed.

    pictures: a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: folder for report.json, contact.png and duplicates.png; looks/NAME on the command line.
    into: the folder of such a folder, called as the pictures are, where `out` is not given.
    size: height and width to train at; 32, or a pack's own.
    colour: with keep, one channel when every picture is grey, and three otherwise.
    background: what shows through transparent pixels: a colour's name or #rrggbb.
    squeeze: squeeze the whole picture into a square instead of cutting out the centre.
    epochs: how often training would see every picture, for the estimate of its time.
    """
    side = parse_size(size or size_of(pictures) or 32)
    check_trainable(side)
    epochs = float(fitted(epochs, Positive, "epochs"))
    look = look_of(side, colour, background, not squeeze)
    with opened_source(pictures) as source:
        place = out or (Path(into, source.name) if into else None)
        with results_folder(place, FILES) as folder:
            found = audit_source(source, look, name_progress("looking", on_progress))
            sheets = {
                "contact.png": contact_sheet(source, found, look),
                "duplicates.png": duplicate_sheet(source, found, look),
            }
            C = {"keep": found.channels(), "grey": 1, "rgb": 3}[colour]
            time = forecast((C, *found.size), tuple(found.classes))
            kept = {name: sheet for name, sheet in sheets.items() if sheet is not None}
            names = ("report.json", *kept) if place else ()
            audited = Audited(found, time, epochs, tuple(Path(place or "", n) for n in names))
            if folder is not None:
                for name, sheet in kept.items():
                    save_png(sheet, folder / name)
                write_record(folder / "report.json", audited.to_json())
    return audited
