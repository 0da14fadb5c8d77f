"""compare: models side by side, under one protocol."""

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
from smalti.data import Splits
from smalti.evaluation.kinds import find_kind
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report, check_comparable, read_report, write_report
from smalti.tasks._evaluate import evaluate_opened_model, name_model_in_errors

FILES = ResultFiles(r"[^/]+\.json", record_keys=("format", "protocol", "rows"))
"""What a folder of reports holds."""


@dataclass(frozen=True)
@add_short_repr
class Comparison:
    """Reports of one protocol."""

    reports: tuple[Report, ...]

    @property
    def headings(self) -> list[str]:
        """The models' names; one that stands before counts up."""
        names = [r.model for r in self.reports]
        return [
            name if name not in names[:i] else f"{name} ({names[:i].count(name) + 1})"
            for i, name in enumerate(names)
        ]


def compare(
    models: Sequence[object],
    data: Splits | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
    **plan: Any,
) -> Comparison:
    """Put models side by side; numbers of different protocols are refused.

    models: shipped models' names, runs, checkpoints, or reports that `smalti evaluate` saved.
    data: the pictures that they were trained on; runs and shipped models know theirs.
    out: folder for the reports, one file for each model; none are kept unless it is given.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.

    Of a report nothing is drawn. The rest is as in `evaluate`.
    UserError where protocols differ, before anything is drawn as far as that can be known.
    """
    if len(models) < 2:
        given = f"{len(models) or 'no'} model is given"
        raise UserError(f"{given}; compare takes two or more")
    how = Plan(**plan)
    saved = [find_report(model) for model in models]
    check_comparable([r for r in saved if r])
    loaded = [r or open_model(m, device=device) for m, r in zip(models, saved, strict=True)]
    check_shapes(models, loaded)
    found: list[Report] = []
    with stage_optional_folder(out, FILES) as folder:
        for model, one in zip(models, loaded, strict=True):
            if not isinstance(one, Report):
                one = evaluate_opened_model(
                    model, one, data, metrics, how, None, on_progress
                ).report
            found.append(one)
            check_comparable(found)  # before the next one is drawn
        comparison = Comparison(tuple(found))
        if folder is not None:
            for heading, report in zip(comparison.headings, found, strict=True):
                write_report(report, folder / f"{make_file_name(heading)}.json")
    return comparison


def find_report(model: object) -> Report | None:
    """A saved report, or that in a folder which `evaluate` made; None for a model.

    A run may hold a report.json, too: what `smalti report` tells about its training.
    """
    if isinstance(model, Report) or not isinstance(model, str | Path):
        return model if isinstance(model, Report) else None
    path = Path(model)
    is_run = (path / "run.json").is_file()
    is_report = path.suffix == ".json" or ((path / "report.json").is_file() and not is_run)
    return read_report(path) if is_report else None


def check_shapes(models: Sequence[object], loaded: Sequence[GenerativeModel | Report]) -> None:
    """UserError where two models draw pictures of different shapes, which needs no drawing."""
    shapes = [read_shape(model, one) for model, one in zip(models, loaded, strict=True)]
    for model, shape in zip(models[1:], shapes[1:], strict=True):
        if any(a != b for a, b in zip(shape, shapes[0], strict=False)):  # a codec takes any size
            raise UserError(
                f"{models[0]} draws pictures of {shapes[0]} and {model} of {shape}, which do not "
                "compare; name models of the same pictures"
            )


def read_shape(model: object, loaded: GenerativeModel | Report) -> tuple[int, ...]:
    """Of a model's pictures, or of those that a report tells of."""
    if isinstance(loaded, Report):
        return loaded.protocol.shape
    with name_model_in_errors(model):
        find_kind(loaded)
    return (loaded.spec.channels, *(loaded.spec.size or ()))


def make_file_name(heading: str) -> str:
    """A name as a file's, whoever wrote the report: in its folder, and not too long."""
    return re.sub(r"[^\w .()+-]|^\.", "_", heading)[:60]
