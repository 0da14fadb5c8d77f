"""evaluate: how good a model is, in numbers that say how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError
from smalti.core.folders import ResultFiles, stage_optional_folder
from smalti.core.model import Model, name_model, open_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.data import Splits
from smalti.evaluation._evaluate import Evaluation, evaluate_model
from smalti.evaluation.kinds import KINDS, find_kind
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report, write_report
from smalti.tasks.reference import find_reference, has_flips

SHEETS = "|".join(name for kind in KINDS.values() for name in kind.sheets).replace(".", r"\.")
FILES = ResultFiles(rf"report\.json|{SHEETS}", "report.json", ("format", "protocol", "rows"))
"""What a folder of a report holds."""


def evaluate(
    model: object,
    data: Splits | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
    **plan: Any,
) -> Report:
    """Measure a model: its samples beside real pictures, copying, likelihood, cost.

    model: a shipped model's name, a run or a checkpoint.
    data: the pictures that it was trained on; a run and a shipped model know theirs.
    metrics: names of the measures in `smalti.evaluation.KINDS`, all of them by default.
    out: folder for the report and its pictures; reports/MODEL unless told otherwise.
    name: what the report calls the model.
    device: where it runs: cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    plan: n, seed, features, split, sampler ...: the fields of `smalti.evaluation.Plan`, which tells
    what they are.

    From Python without `out` nothing is written; of a codec the report tells what it brings back,
    and a loaded model of digits knows the shipped ones.
    Raises UserError for what does not fit together; a measure that cannot be taken says why in its
    rows instead.
    """
    protocol = Plan(**plan)
    with stage_optional_folder(out, FILES) as folder:
        loaded = open_model(model, device=device)
        evaluation = evaluate_opened_model(
            model, loaded, data, metrics, protocol, name, on_progress
        )
        if folder is not None:
            write_report(evaluation.report, folder / "report.json")
            evaluation.write_sheets(folder)
    return evaluation.report


def evaluate_opened_model(
    model: object,
    loaded: Model,
    data: Splits | str | Path | None,
    metrics: Sequence[str] | None,
    plan: Plan,
    name: str | None,
    on_progress: OnProgress,
) -> Evaluation:
    """A model evaluated on the pictures that it was trained on.

    model: what it was loaded by, which a UserError names.
    """
    with name_model_in_errors(model):
        find_kind(loaded).choose_measures(metrics)  # a wrong one is refused before any work
        splits = find_reference(model, loaded, data, on_progress)
        plan = replace(plan, mirrored=plan.mirrored or has_flips(model))
        return evaluate_model(loaded, splits, metrics, plan, name or name_model(model), on_progress)


@contextmanager
def name_model_in_errors(model: object) -> Iterator[None]:
    """While entered, a UserError names what a model was loaded by."""
    try:
        yield
    except UserError as error:
        if isinstance(model, str | Path):
            raise UserError(f"{model}: {error}") from error
        raise
