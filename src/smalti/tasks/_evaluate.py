"""evaluate: measure a model, and record the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError, shorten
from smalti.core.folders import ResultFiles, stage_optional_folder
from smalti.core.model import Model, name_model, open_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.data import Splits
from smalti.evaluation._evaluate import Evaluation, evaluate_model
from smalti.evaluation.kinds import KINDS, find_kind
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report, write_report
from smalti.evaluation.text.held_out_pairs import HeldOutPairs
from smalti.tasks.held_out_pairs import find_sentence_pairs
from smalti.tasks.reference import find_reference, has_flips
from smalti.translation import Translator

Data = Splits | HeldOutPairs | str | Path | Sequence[Any] | None
"""Pictures with their splits, sentence pairs, or the files of either."""
SHEETS = "|".join(name for kind in KINDS.values() for name in kind.sheets).replace(".", r"\.")
FILES = ResultFiles(rf"report\.json|{SHEETS}", "report.json", ("format", "protocol", "rows"))
"""Files of a report's folder."""


def evaluate(
    model: object,
    data: Data = None,
    metrics: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    picture_data: str | Path | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
    **plan: Any,
) -> Report:
    """Measure a model's samples, likelihood and cost.

    The samples are compared with real pictures and checked for copies of the training pictures. A
    codec is measured by its reconstructions, a translator by BLEU and more on held-out sentences.

    model: Shipped model, run or checkpoint.
    data: Pictures or sentences (default: the model's). Training pictures, of which runs, shipped
    models and loaded models of digits have a default; for a translator held-out sentence pairs, or
    the files of some.
    metrics: Metrics to compute (default: all). Names of `smalti.evaluation.KINDS`.
    out: Output folder (default: reports/MODEL).
    name: Name of the model in the report.
    picture_data: Folder of condition pictures for `data`. For a model conditioned on given
    pictures; matched by file name.
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
            model, loaded, data, metrics, protocol, name, on_progress, picture_data
        )
        if folder is not None:
            write_report(evaluation.report, folder / "report.json")
            evaluation.write_sheets(folder)
    return evaluation.report


def evaluate_opened_model(
    model: object,
    loaded: Model,
    data: Data,
    metrics: Sequence[str] | None,
    plan: Plan,
    name: str | None,
    on_progress: OnProgress,
    picture_data: str | Path | None = None,
) -> Evaluation:
    """Evaluate a loaded model on its data.

    model: what it was loaded from, named in UserErrors.
    """
    with name_model_in_errors(model):
        find_kind(loaded).choose_measures(metrics)  # raises before any work
        name = name or name_model(model)
        if isinstance(loaded, Translator):
            pairs = find_sentence_pairs(model, loaded, data, plan.memory, plan.split)
            return evaluate_model(loaded, pairs, metrics, plan, name, on_progress)
        pictures = require_pictures(data)
        splits = find_reference(model, loaded, pictures, on_progress, picture_data)
        plan = replace(plan, mirrored=plan.mirrored or has_flips(model))
        return evaluate_model(loaded, splits, metrics, plan, name, on_progress)


def require_pictures(data: Data) -> Splits | str | Path | None:
    """UserError for the data of a translator."""
    if data is None or isinstance(data, Splits | str | Path):
        return data
    raise UserError(f"data is {shorten(data)}; give one folder or file of pictures, or Splits")


@contextmanager
def name_model_in_errors(model: object) -> Iterator[None]:
    """While entered, UserErrors name what the model was loaded from."""
    try:
        yield
    except UserError as error:
        if isinstance(model, str | Path):
            raise UserError(f"{model}: {error}") from error
        raise
