"""evaluate_model: all measures of one model in one report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import smalti
from smalti.core.config import to_json
from smalti.core.fingerprint import hash_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Splits
from smalti.evaluation.kinds import AnyComparison, EvaluationKind, find_kind
from smalti.evaluation.measures import collect_rows
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Protocol, Report
from smalti.evaluation.sample_set import find_device
from smalti.evaluation.text.held_out_pairs import HeldOutPairs


@dataclass(frozen=True, eq=False)
@add_short_repr
class Evaluation:
    """A report, with the model's output and the data that it was made from."""

    report: Report
    comparison: AnyComparison
    kind: EvaluationKind

    def write_sheets(self, folder: Path) -> None:
        """Write the report's pictures into a folder."""
        for name, write in self.kind.sheets.items():
            write(self.comparison, folder / name)


def evaluate_model(
    model: nn.Module,
    data: Splits | HeldOutPairs,
    metrics: Sequence[str] | None = None,
    plan: Plan = Plan(),
    name: str | None = None,
    on_progress: OnProgress = ignore_event,
) -> Evaluation:
    """Evaluate a model's output on held-out data.

    data: `Splits` of training and held-out pictures; for a translator `HeldOutPairs`.
    metrics: names of measures in `KINDS` for this kind of output. Default: all.
    name: the model's name in the report.
    Raises UserError for options that do not match; a measure that cannot be computed has rows with
    the reason instead.
    """
    kind = find_kind(model)
    measures = kind.choose_measures(metrics)
    comparison = kind.prepare(model, data, plan, on_progress)
    report = Report(
        model=name or type(model).__name__.lower(),
        model_hash=hash_model(model),
        rows=tuple(
            row for measure in measures.values() for row in collect_rows(measure, comparison)
        ),
        protocol=Protocol(
            metrics={name: measure.version for name, measure in measures.items()},
            **comparison.describe_protocol(),
        ),
        sampler=to_json(comparison.sampler),
        made_with=describe_environment(find_device(model), comparison.batch_size),
        notes=comparison.notes(),
        statistics=comparison.collect_statistics(measures),
    )
    return Evaluation(report, comparison, kind)


def describe_environment(device: str, batch_size: int) -> dict[str, Any]:
    return {
        "smalti": smalti.__version__,
        "torch": str(torch.__version__),
        "device": device,
        "threads": torch.get_num_threads(),
        "batch": batch_size,
    }
