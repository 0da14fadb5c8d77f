"""evaluate: measure a model, and record the protocol."""

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
"""Files of a report's folder."""


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
    """Measure a model's samples, likelihood and cost.

    The samples are compared with real pictures and checked for copies of the training pictures. A
    codec is measured by its reconstructions.

    model: Shipped model, run or checkpoint.
    data: Training pictures (default: the model's). Runs, shipped models and loaded models of digits
    have a default.
    metrics: Metrics to compute (default: all). Names of `smalti.evaluation.KINDS`.
    out: Output folder (default: reports/MODEL).
    name: Name of the model in the report.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.
    plan: n, seed, features, split, sampler, ... The fields of `smalti.evaluation.Plan`.

    From Python, nothing is written without `out`.
    Raises UserError for arguments that do not fit together. A metric that cannot be computed says
    why in its row.
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
    """Evaluate a loaded model on its training pictures.

    model: what it was loaded from, named in UserErrors.
    """
    with name_model_in_errors(model):
        find_kind(loaded).choose_measures(metrics)  # raises before any work
        splits = find_reference(model, loaded, data, on_progress)
        plan = replace(plan, mirrored=plan.mirrored or has_flips(model))
        return evaluate_model(loaded, splits, metrics, plan, name or name_model(model), on_progress)


@contextmanager
def name_model_in_errors(model: object) -> Iterator[None]:
    """While entered, UserErrors name what the model was loaded from."""
    try:
        yield
    except UserError as error:
        if isinstance(model, str | Path):
            raise UserError(f"{model}: {error}") from error
        raise
