"""audit: inspect pictures before training on them."""

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
from smalti.data.audit import Audit, audit_source
from smalti.data.contact_sheets import draw_contact_sheet, draw_duplicate_sheet
from smalti.data.decode import Color, make_preprocessing
from smalti.data.reading import open_source, read_size
from smalti.tasks._forecast import RECIPE, Forecast, check_trainable, forecast_training

FILES = ResultFiles(
    r"report\.json|contact\.png|duplicates\.png",
    "report.json",
    ("name", "pictures", "measures", "training"),
)
"""Files of an audit's folder."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class AuditReport:
    """Statistics of a set of pictures, and an estimate of the training time."""

    audit: Audit
    forecast: Forecast
    epochs: float
    files: tuple[Path, ...]
    """The files that were written."""

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON values."""
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
    group_by: str | None = None,
    on_progress: OnProgress = ignore_event,
) -> AuditReport:
    """Inspect pictures before training on them.

    Reports counts, sizes, colors, unreadable files, duplicates, classes, splits and an estimate of
    the training time. Changes nothing.

    pictures: Folder, archive, .npz, IDX, LMDB, pack or hf:NAME.
    out: Output folder (default: looks/NAME). It holds report.json, contact.png and duplicates.png.
    From Python, nothing is written by default.
    out_root: Parent of the output folder. Used without `out`; the folder is named after the
    pictures.
    size: Height and width (default: 32, or the pack's).
    color: Color mode. With keep, one channel if every picture is gray, else three.
    background: Color behind transparent pixels. A color's name or #rrggbb.
    stretch: Stretch pictures instead of center-cropping.
    epochs: Epochs for the estimate of training time.
    group_by: Pattern of file names. Pictures whose match is equal are split together.
    """
    side = normalize_size(size or read_size(pictures) or 32)
    check_trainable(side)
    epochs = float(coerce_value(epochs, Positive, "epochs"))
    preprocessing = make_preprocessing(side, color, background, not stretch)
    with open_source(pictures) as source:
        folder_path = out or (Path(out_root, source.name) if out_root else None)
        with stage_optional_folder(folder_path, FILES) as folder:
            progress = label_progress("inspecting", on_progress)
            audited_source = audit_source(source, preprocessing, progress, group_by)
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
