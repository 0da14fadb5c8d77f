"""evaluate: how good a model is, in numbers that say how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from smalti.core.errors import UserError
from smalti.core.folders import Results, folder_for
from smalti.core.model import Model, name_model, open_model
from smalti.core.progress import OnProgress, ignore
from smalti.data import Splits
from smalti.evaluation.assess import Evaluation, examine
from smalti.evaluation.kinds import KINDS, find_kind
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Report, write_report
from smalti.tasks.reference import find_reference, flips

SHEETS = "|".join(name for kind in KINDS.values() for name in kind.sheets).replace(".", r"\.")
FILES = Results(rf"report\.json|{SHEETS}", "report.json", ("format", "protocol", "rows"))
"""What a folder of a report holds."""


def evaluate(
    model: object,
    data: Splits | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore,
    **plan: Any,
) -> Report:
    """How good a model's samples are, or what a codec brings back, beside held-out pictures.

    model: one that draws pictures or a codec, or its name, run or checkpoint.
    data: what it was trained on and what was held out, or a path where they lie.  None: what its
    run or its recipe names; of a loaded model of digits the shipped ones.
    metrics: names of the measures in `smalti.evaluation.KINDS`, all of them by default.
    out: a folder for report.json and the report's pictures.
    name: what the report calls the model.
    plan: n, seed, features, split, sampler ...: the fields of `smalti.evaluation.Plan`, which tells
    what they are.
    Raises UserError for what does not fit together; a measure that cannot be taken says why in its
    rows instead.
    """
    how = Plan(**plan)
    with folder_for(out, FILES) if out is not None else nullcontext() as folder:
        loaded = open_model(model, device=device)
        found = examine_model(model, loaded, data, metrics, how, name, on_progress)
        if folder is not None:
            write_report(found.report, folder / "report.json")
            found.write_sheets(folder)
    return found.report


def examine_model(
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
    try:
        find_kind(loaded).choose(metrics)  # a wrong one is refused before any work
        splits = find_reference(model, loaded, data, on_progress)
        plan = replace(plan, mirrored=plan.mirrored or flips(model))
        return examine(loaded, splits, metrics, plan, name or name_model(model), on_progress)
    except UserError as error:
        if isinstance(model, str | Path):
            raise UserError(f"{model}: {error}") from error
        raise
