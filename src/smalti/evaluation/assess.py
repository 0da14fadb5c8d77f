"""evaluate: one set of samples, all measures, one report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

import smalti
from smalti.core.checkpoint import load
from smalti.core.config import fitted, hints_of, to_json
from smalti.core.errors import UserError
from smalti.core.fingerprint import model_hash
from smalti.core.messages import count
from smalti.core.ranges import Batch, Bootstraps, Samples, Seed
from smalti.core.rng import count_seeds
from smalti.data import Splits, digit_pictures, read_splits
from smalti.data.pictures import Pictures
from smalti.evaluation.bootstrap import DRAWS
from smalti.evaluation.case import Case, pictures_hash
from smalti.evaluation.draws import (
    Progress,
    Turns,
    asked_classes,
    asked_text,
    device_of,
    draw_set,
    in_turn,
)
from smalti.evaluation.measures import Measure, chosen_measures, rows_of
from smalti.evaluation.report import Protocol, Report
from smalti.features import Features, features_name_for, find_features
from smalti.features.registry import DIGITS

Split = Literal["valid", "test"]
CLASSES = {
    "turns": "in turn: sample i is asked to be class i mod {K}",
    "data": "as often as the training pictures have them",
}
TOLD = "none, but the captions of the held-out pictures, in turn"


@dataclass(frozen=True)
class Plan:
    """How to evaluate: most of what becomes the protocol."""

    n: Samples = 1000
    """Samples."""
    seed: Seed = 0
    """The first sample's; the others count up from it."""
    features: str | Path | Features = "auto"
    """What pictures are looked at through: "auto", a name that `find_features` knows, a folder."""
    split: Split | None = None
    """The held-out pictures of the yardstick; None is "test" where the data have one."""
    sampler: Any = None
    """How samples are drawn; None is the model's own way."""
    classes: Turns = "turns"
    """Every class equally often, or as often as the training pictures have it ("data")."""
    mirrored: bool = False
    """Look for nearest pictures left for right, too."""
    batch: Batch = 100
    """Samples drawn at a time."""
    bootstraps: Bootstraps = DRAWS
    """How often samples are drawn again for an error."""

    def __post_init__(self) -> None:
        for name in ("n", "seed", "batch", "bootstraps"):
            object.__setattr__(self, name, fitted(getattr(self, name), hints_of(Plan)[name], name))
        count_seeds(self.seed, self.n)
        if self.split not in (None, "valid", "test"):
            raise UserError(f"no split {self.split!r}; give 'valid' or 'test'")
        if self.classes not in CLASSES:
            raise UserError(f"classes are {self.classes!r}; give 'turns' or 'data'")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A report, and the pictures behind it."""

    report: Report
    case: Case


def evaluate(
    model: Any,
    data: Splits | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    *,
    n: int = 1000,
    seed: int = 0,
    features: str | Path | Features = "auto",
    split: Split | None = None,
    sampler: Any = None,
    classes: Turns = "turns",
    mirrored: bool = False,
    batch: int = 100,
    bootstraps: int = DRAWS,
    name: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """How good a model's samples are, beside held-out pictures in the same place.

    model: a model that draws pictures, or its name or folder.
    data: what it was trained on and what was held out, or a path where they lie; None is the
    shipped digits, for a model of digits.
    metrics: names of `smalti.evaluation.MEASURES`, all of them by default.
    name: what the report calls the model.  The others are the fields of `Plan`, which tells them.
    Raises UserError for what does not fit together; a measure that cannot be taken says why in its
    rows instead.
    """
    plan = Plan(n, seed, features, split, sampler, classes, mirrored, batch, bootstraps)
    return examine(model, data, metrics, plan, name, progress).report


def examine(
    model: Any,
    data: Splits | str | Path | None = None,
    metrics: Sequence[str] | None = None,
    plan: Plan = Plan(),
    name: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """`evaluate`, with the pictures, for who wants to show them."""
    measures = chosen_measures(metrics)
    if isinstance(model, (str, Path)):
        name, model = name or Path(model).name, load(model)
    if getattr(getattr(model, "spec", None), "output", None) != "picture":
        raise UserError(f"a {type(model).__name__} does not draw pictures; give a model that does")
    splits = splits_of(data, model)
    check_shape(model, splits.train)
    split, held = held_out(splits, plan.split)
    if not len(held):
        raise UserError(f"{held.name} holds no pictures to measure with; hold some out")
    device = device_of(model)
    network, reason = chosen_network(plan.features, splits.train, device)
    n, K = plan.n, len(model.spec.classes)
    labels = asked_classes(n, K, plan.classes, splits.train.labels)
    yardstick = held.part(in_turn(held, n, plan.classes if K else "data"), "yardstick")
    text = asked_text(n, model.spec.given, yardstick)
    drawn = draw_set(model, n, plan.seed, labels, plan.sampler, plan.batch, progress, text)
    case = Case(
        model,
        drawn,
        splits.train,
        yardstick,
        network,
        reason,
        bootstraps=plan.bootstraps,
        mirrored=plan.mirrored,
        progress=progress,
    )
    rows = tuple(row for measure in measures.values() for row in rows_of(measure, case))
    report = Report(
        model=name or type(model).__name__.lower(),
        model_hash=model_hash(model),
        protocol=protocol_of(case, plan, split, measures),
        rows=rows,
        sampler=to_json(plan.sampler or getattr(model.config, "sampler", None)),
        made_with=surroundings(device, plan.batch),
        notes=notes_of(case),
    )
    return Evaluation(report, case)


def splits_of(data: Splits | str | Path | None, model: Any) -> Splits:
    """The pictures themselves, or those at a path in the model's size, or the shipped digits."""
    if isinstance(data, Splits):
        return data
    spec = model.spec
    if data is not None:
        return read_splits(data, size=spec.size)
    if (spec.channels, spec.size, spec.classes or DIGITS) != (1, (28, 28), DIGITS):
        raise UserError("data are missing; give the pictures that the model was trained on")
    return Splits(digit_pictures("train"), digit_pictures("valid"), digit_pictures("test"))


def check_shape(model: Any, pictures: Pictures) -> None:
    spec = model.spec
    if pictures.shape != (spec.channels, *(spec.size or pictures.shape[1:])):
        raise UserError(
            f"{pictures.name} holds pictures of {pictures.shape}, but the model draws "
            f"{(spec.channels, *(spec.size or ()))}; give data of its size and channels"
        )


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


def protocol_of(case: Case, plan: Plan, split: str, measures: dict[str, Measure]) -> Protocol:
    train, held, network = case.train, case.held, case.network
    K = len(case.model.spec.classes)
    return Protocol(
        data=train.name,
        data_hash=case.train_hash,
        reference=len(train),
        split=split,
        split_hash=pictures_hash(held),
        held=len(held),
        shape=train.shape,
        features=network.name if network else "",
        features_hash=network.hash if network else "",
        resize=network.way(train.shape) if network else "",
        n=plan.n,
        seed=plan.seed,
        classes=CLASSES[plan.classes].format(K=K) if K else told_by(case),
        mirrored=case.mirrored,
        bootstraps=case.bootstraps,
        bootstrap_seed=case.seed,
        metrics={name: measure.version for name, measure in measures.items()},
    )


def told_by(case: Case) -> str:
    """What samples of a model without classes are asked to show."""
    reads = "text" in case.model.spec.given
    return TOLD if reads and case.held.captions else "none"


def surroundings(device: str, batch: int) -> dict[str, Any]:
    return {
        "smalti": smalti.__version__,
        "torch": str(torch.__version__),
        "device": device,
        "threads": torch.get_num_threads(),
        "batch": batch,
    }


def lone_classes(case: Case) -> list[str]:
    """Which classes nobody could learn: they stand among the held-out pictures alone."""
    classes, labels = case.model.spec.classes, case.train.labels
    if case.drawn.labels is None or labels is None or case.train.classes != classes:
        return []
    asked = case.drawn.labels.unique().tolist()
    lone = [classes[k] for k in asked if not (labels == k).any()]
    if not lone:
        return []
    names = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
    return [f"no training picture is of {names}: samples of that are of a class never learned"]


def notes_of(case: Case) -> tuple[str, ...]:
    """What a reader of the numbers should know."""
    notes = []
    if case.network is None:
        notes.append(f"nothing looked at the pictures: {case.no_network}")
    else:
        notes.append(
            f"distances are seen through {case.network.about} ({case.network.name}); they compare "
            "with others seen through it, and with none else"
        )
    if "text" in case.model.spec.given and not case.held.captions:
        notes.append("the held-out pictures have no captions; samples were drawn from empty ones")
    notes += lone_classes(case)
    if case.few:
        held = count(len(case.held), "picture is", "pictures are")
        notes.append(
            f"only {held} held out, fewer than the samples: where a number stands in brackets, "
            "of as many samples, compare that with the yardstick"
        )
    return tuple(notes)
