"""compare: evaluate several models under one protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, stage_optional_folder
from smalti.core.model import open_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.protocols import GenerativeModel
from smalti.core.short_repr import add_short_repr
from smalti.evaluation.kinds import find_kind
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report, Row, check_comparable, read_report, write_report
from smalti.evaluation.text.paired import compare_reports
from smalti.tasks._evaluate import Data, evaluate_opened_model, name_model_in_errors

FILES = ResultFiles(r"[^/]+\.json", record_keys=("format", "protocol", "rows"))
"""Files of a folder of reports."""


@dataclass(frozen=True)
@add_short_repr
class Comparison:
    """Reports of one protocol."""

    reports: tuple[Report, ...]

    @property
    def headings(self) -> list[str]:
        """The models' names; a repeated name is numbered."""
        names = [r.model for r in self.reports]
        return [
            name if name not in names[:i] else f"{name} ({names[:i].count(name) + 1})"
            for i, name in enumerate(names)
        ]

    @property
    def differences(self) -> dict[str, list[Row]]:
        """Of text, by heading: how much higher each later model scores than the first."""
        first, *others = self.reports
        found = (compare_reports(first, other) for other in others)
        return {h: rows for h, rows in zip(self.headings[1:], found, strict=True) if rows}


def compare(
    models: Sequence[object],
    data: Data = None,
    metrics: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
    **plan: Any,
) -> Comparison:
    """Evaluate several models under one protocol.

    No samples are drawn for saved reports. The other parameters are those of `evaluate`.
    Raises UserError if protocols differ, if possible before any samples are drawn.

    models: Models, runs, checkpoints or saved reports.
    data: Pictures or sentences (default: the models').
    metrics: Metrics to compute (default: all).
    out: Folder for one report per model. Reports are not saved by default.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    """
    if len(models) < 2:
        raise UserError(f"{len(models) or 'no'} model is given; compare takes two or more")
    protocol = Plan(**plan)
    saved = [find_report(model) for model in models]
    check_comparable([r for r in saved if r])
    loaded = [r or open_model(m, device=device) for m, r in zip(models, saved, strict=True)]
    check_shapes(models, loaded)
    reports: list[Report] = []
    with stage_optional_folder(out, FILES) as folder:
        for model, one in zip(models, loaded, strict=True):
            if not isinstance(one, Report):
                one = evaluate_opened_model(
                    model, one, data, metrics, protocol, None, on_progress
                ).report
            reports.append(one)
            check_comparable(reports)  # before the next model's samples are drawn
        comparison = Comparison(tuple(reports))
        if folder is not None:
            for heading, report in zip(comparison.headings, reports, strict=True):
                write_report(report, folder / f"{make_file_name(heading)}.json")
    return comparison


def find_report(model: object) -> Report | None:
    """The saved report at this path, or in this folder of `evaluate`; None for a model.

    The report.json of a run is by `smalti report`, about its training, and is not used here.
    """
    if isinstance(model, Report) or not isinstance(model, str | Path):
        return model if isinstance(model, Report) else None
    path = Path(model)
    is_run = (path / "run.json").is_file()
    is_report = path.suffix == ".json" or ((path / "report.json").is_file() and not is_run)
    return read_report(path) if is_report else None


def check_shapes(models: Sequence[object], loaded: Sequence[GenerativeModel | Report]) -> None:
    """UserError if two models have different output: text, or shapes of pictures. Draws nothing."""
    shapes = [read_shape(model, one) for model, one in zip(models, loaded, strict=True)]
    for model, shape in zip(models[1:], shapes[1:], strict=True):
        if bool(shape) != bool(shapes[0]):
            text, pictures = (models[0], model) if shape else (model, models[0])
            raise UserError(
                f"{text} translates and {pictures} draws pictures; compare models of one kind"
            )
        if any(a != b for a, b in zip(shape, shapes[0], strict=False)):  # a codec takes any size
            raise UserError(
                f"{models[0]} draws pictures of shape {shapes[0]} and {model} of {shape}; compare "
                "models that draw the same shape"
            )


def read_shape(model: object, loaded: GenerativeModel | Report) -> tuple[int, ...]:
    """Shape of the pictures of a model or of a report; () for text."""
    if isinstance(loaded, Report):
        return loaded.protocol.shape or ()
    with name_model_in_errors(model):
        find_kind(loaded)
    spec = loaded.spec
    return () if spec.output == "text" else (spec.channels, *(spec.size or ()))


def make_file_name(heading: str) -> str:
    """A safe file name: no path separators, at most 60 characters."""
    return re.sub(r"[^\w .()+-]|^\.", "_", heading)[:60]
