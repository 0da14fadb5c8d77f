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
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures, Splits
from smalti.evaluation.comparison import hash_pictures
from smalti.evaluation.kinds import AnyComparison, EvaluationKind, find_kind
from smalti.evaluation.measures import collect_rows
from smalti.evaluation.plan import Plan, Split
from smalti.evaluation.report import Protocol, Report
from smalti.evaluation.sample_set import find_device
from smalti.features import FeatureExtractor, choose_features_name, find_features


@dataclass(frozen=True, eq=False)
@add_short_repr
class Evaluation:
    """A report, with the samples and pictures that it was made from."""

    report: Report
    comparison: AnyComparison
    kind: EvaluationKind

    def write_sheets(self, folder: Path) -> None:
        """Write the report's pictures into a folder."""
        for name, write in self.kind.sheets.items():
            write(self.comparison, folder / name)


def evaluate_model(
    model: nn.Module,
    splits: Splits,
    metrics: Sequence[str] | None = None,
    plan: Plan = Plan(),
    name: str | None = None,
    on_progress: OnProgress = ignore_event,
) -> Evaluation:
    """Evaluate a model's output, with held-out pictures as the baseline.

    splits: training and held-out pictures.  metrics: names of measures in `KINDS` for this kind of
    output. Default: all.  name: the model's name in the report.
    Raises UserError for options that do not match; a measure that cannot be computed has rows with
    the reason instead.
    """
    kind = find_kind(model)
    measures = kind.choose_measures(metrics)
    split, held = choose_held_out(splits, plan.split)
    if not len(held):
        raise UserError(f"{held.name} contains no held-out pictures; hold some out")
    device = find_device(model)
    network, reason = choose_network(plan.features, splits.train, device)
    comparison = kind.prepare(model, splits, held, network, reason, plan, on_progress)
    report = Report(
        model=name or type(model).__name__.lower(),
        model_hash=hash_model(model),
        rows=tuple(
            row for measure in measures.values() for row in collect_rows(measure, comparison)
        ),
        protocol=Protocol(
            data=splits.train.name,
            data_hash=hash_pictures(splits.train),
            reference=len(splits.train),
            split=split,
            shape=splits.train.shape,
            features=network.name if network else "",
            features_hash=network.hash if network else "",
            resize=network.describe_preprocessing(splits.train.shape) if network else "",
            metrics={name: measure.version for name, measure in measures.items()},
            **comparison.describe_protocol(),
        ),
        sampler=to_json(comparison.sampler),
        made_with=describe_environment(device, comparison.batch_size),
        notes=(*splits.notes, *comparison.notes()),
    )
    return Evaluation(report, comparison, kind)


def choose_held_out(splits: Splits, split: Split | None) -> tuple[Split, Pictures]:
    """Choose the held-out pictures, and name their split."""
    if split == "test" and splits.test is None:
        raise UserError(f"{splits.train.name} has no test split; use split valid")
    if splits.test is not None and split != "valid":
        return "test", splits.test
    return "valid", splits.valid


def choose_network(
    features: str | Path | FeatureExtractor, pictures: Pictures, device: str
) -> tuple[FeatureExtractor | None, str]:
    """Choose the feature network; None and the reason if "auto" finds none."""
    if isinstance(features, FeatureExtractor):
        return features, ""
    if features != "auto":
        return find_features(features, device), ""
    try:
        return find_features(choose_features_name(pictures.shape, pictures.classes), device), ""
    except UserError as error:
        return None, str(error)


def describe_environment(device: str, batch_size: int) -> dict[str, Any]:
    return {
        "smalti": smalti.__version__,
        "torch": str(torch.__version__),
        "device": device,
        "threads": torch.get_num_threads(),
        "batch": batch_size,
    }
