"""examine: one model's outcome, all measures, one report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import smalti
from smalti.core.brief import brief
from smalti.core.config import to_json
from smalti.core.errors import UserError
from smalti.core.fingerprint import model_hash
from smalti.core.progress import OnProgress, ignore
from smalti.data.pictures import Pictures, Splits
from smalti.evaluation.case import pictures_hash
from smalti.evaluation.draws import device_of
from smalti.evaluation.kinds import Kind, Measured, find_kind
from smalti.evaluation.measures import rows_of
from smalti.evaluation.plan import Plan, Split
from smalti.evaluation.report import Protocol, Report
from smalti.features import Features, features_name_for, find_features


@dataclass(frozen=True, eq=False)
@brief
class Evaluation:
    """A report, and what its pictures show."""

    report: Report
    case: Measured
    kind: Kind

    def write_sheets(self, folder: Path) -> None:
        """The report's pictures, into a folder."""
        for name, write in self.kind.sheets.items():
            write(self.case, folder / name)


def examine(
    model: nn.Module,
    splits: Splits,
    metrics: Sequence[str] | None = None,
    plan: Plan = Plan(),
    name: str | None = None,
    on_progress: OnProgress = ignore,
) -> Evaluation:
    """How good a model's outcome is, beside held-out pictures in the same place.

    splits: what it was trained on and what was held out.  metrics: names of the measures that
    `KINDS` has of its output, all of them by default.  name: what the report calls the model.
    Raises UserError for what does not fit together; a measure that cannot be taken says why in its
    rows instead.
    """
    kind = find_kind(model)
    measures = kind.choose(metrics)
    split, held = held_out(splits, plan.split)
    if not len(held):
        raise UserError(f"{held.name} holds no pictures to measure with; hold some out")
    device = device_of(model)
    network, reason = chosen_network(plan.features, splits.train, device)
    case = kind.prepare(model, splits, held, network, reason, plan, on_progress)
    report = Report(
        model=name or type(model).__name__.lower(),
        model_hash=model_hash(model),
        rows=tuple(row for measure in measures.values() for row in rows_of(measure, case)),
        protocol=Protocol(
            data=splits.train.name,
            data_hash=pictures_hash(splits.train),
            reference=len(splits.train),
            split=split,
            shape=splits.train.shape,
            features=network.name if network else "",
            features_hash=network.hash if network else "",
            resize=network.way(splits.train.shape) if network else "",
            metrics={name: measure.version for name, measure in measures.items()},
            **case.terms(),
        ),
        sampler=to_json(case.sampler),
        made_with=surroundings(device, case.batch),
        notes=(*splits.notes, *case.notes()),
    )
    return Evaluation(report, case, kind)


def held_out(splits: Splits, split: Split | None) -> tuple[Split, Pictures]:
    """The pictures of the yardstick, and which split they are."""
    if split == "test" and splits.test is None:
        raise UserError(f"{splits.train.name} has no test split; take split valid")
    if splits.test is not None and split != "valid":
        return "test", splits.test
    return "valid", splits.valid


def chosen_network(
    features: str | Path | Features, pictures: Pictures, device: str
) -> tuple[Features | None, str]:
    """The feature network; with "auto" it may be missing, and then the reason stands beside it."""
    if isinstance(features, Features):
        return features, ""
    if features != "auto":
        return find_features(features, device), ""
    try:
        return find_features(features_name_for(pictures.shape, pictures.classes), device), ""
    except UserError as error:
        return None, str(error)


def surroundings(device: str, batch: int) -> dict[str, Any]:
    return {
        "smalti": smalti.__version__,
        "torch": str(torch.__version__),
        "device": device,
        "threads": torch.get_num_threads(),
        "batch": batch,
    }
