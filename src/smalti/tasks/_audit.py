"""audit: a look at pictures before training on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.core.config import coerce_value
from smalti.core.folders import ResultFiles, stage_optional_folder, write_record
from smalti.core.pictures import save_png
from smalti.core.progress import OnProgress, ignore_event, label_progress
from smalti.core.ranges import Positive
from smalti.core.short_repr import add_short_repr
from smalti.core.size import Size, normalize_size
from smalti.data.audit import Audit
from smalti.data.audit import audit_source as audit_source
from smalti.data.contact_sheets import draw_contact_sheet, draw_duplicate_sheet
from smalti.data.decode import Color, make_preprocessing
from smalti.data.reading import open_source, read_size
from smalti.tasks._forecast import RECIPE, Forecast, check_trainable, forecast_training

FILES = ResultFiles(
    r"report\.json|contact\.png|duplicates\.png",
    "report.json",
    ("name", "pictures", "measures", "training"),
)
"""What a report on pictures holds."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class AuditReport:
    """What was found in a set of pictures, and how long training on them would take."""

    audit: Audit
    forecast: Forecast
    epochs: float
    files: tuple[Path, ...]
    """Those that were written."""

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        n, time = self.audit.splits["train"], self.forecast
        training = {
            "recipe": RECIPE,
            "parameters": time.n_parameters,
            "batch": time.batch_size,
            "seconds_per_step": time.seconds_per_step,
            "measured_on": {"pictures": time.timed_batch_size, "device": time.device},
            "epochs": self.epochs,
            "steps": time.count_steps(n, self.epochs),
            "minutes": time.estimate_minutes(n, self.epochs),
        }
        return {**self.audit.to_json(), "training": training}


def audit(
    pictures: str | Path,
    *,
    out: str | Path | None = None,
    out_root: str | Path | None = None,
    size: Size | None = None,
    color: Color = "keep",
    background: str = "white",
    stretch: bool = False,
    epochs: Positive = 100,
    on_progress: OnProgress = ignore_event,
) -> AuditReport:
    """Look at pictures before training on them.

    Counts, sizes, colors, what cannot be read, what stands there twice, classes, splits, and how
    long training will take. Nothing is changed.

    pictures: a folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: folder for report.json, contact.png and duplicates.png; looks/NAME on the command line.
    out_root: the folder of such a folder, called as the pictures are, where `out` is not given.
    size: height and width to train at; 32, or a pack's own.
    color: with keep, one channel when every picture is gray, and three otherwise.
    background: what shows through transparent pixels: a color's name or #rrggbb.
    stretch: squeeze the whole picture into a square instead of cutting out the center.
    epochs: how often training would see every picture, for the estimate of its time.
    """
    side = normalize_size(size or read_size(pictures) or 32)
    check_trainable(side)
    epochs = float(coerce_value(epochs, Positive, "epochs"))
    preprocessing = make_preprocessing(side, color, background, not stretch)
    with open_source(pictures) as source:
        folder_path = out or (Path(out_root, source.name) if out_root else None)
        with stage_optional_folder(folder_path, FILES) as folder:
            audited_source = audit_source(
                source, preprocessing, label_progress("looking", on_progress)
            )
            sheets = {
                "contact.png": draw_contact_sheet(source, audited_source, preprocessing),
                "duplicates.png": draw_duplicate_sheet(source, audited_source, preprocessing),
            }
            C = {"keep": audited_source.count_channels(), "gray": 1, "rgb": 3}[color]
            training_forecast = forecast_training(
                (C, *audited_source.size), tuple(audited_source.classes)
            )
            written = {name: sheet for name, sheet in sheets.items() if sheet is not None}
            names = ("report.json", *written) if folder_path else ()
            report = AuditReport(
                audited_source,
                training_forecast,
                epochs,
                tuple(Path(folder_path or "", n) for n in names),
            )
            if folder is not None:
                for name, sheet in written.items():
                    save_png(sheet, folder / name)
                write_record(folder / "report.json", report.to_json())
    return report
