"""Models that draw pictures: their samples beside real ones, ready to be measured."""

from __future__ import annotations

from dataclasses import replace

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress
from smalti.core.protocols import Generative
from smalti.core.sampling import find_sampler
from smalti.data.pictures import Pictures, Splits
from smalti.evaluation.case import Case
from smalti.evaluation.draws import asked_classes, asked_text, draw_set, in_turn
from smalti.evaluation.plan import Plan
from smalti.features import Features


def draw_case(
    model: Generative,
    splits: Splits,
    held: Pictures,
    network: Features | None,
    reason: str,
    plan: Plan,
    on_progress: OnProgress,
) -> Case:
    """The samples that all measures look at, drawn, and the real pictures beside them."""
    check_shape(model, splits.train)
    plan = replace(plan, sampler=find_sampler(plan.sampler, model))
    n, K = plan.n, len(model.spec.classes)
    labels = asked_classes(n, K, plan.classes, splits.train.labels)
    yardstick = held.part(in_turn(held, n, plan.classes if K else "data"), "yardstick")
    text = asked_text(n, model.spec.given, yardstick)
    drawn = draw_set(model, n, plan.seed, labels, plan.sampler, plan.batch, on_progress, text)
    return Case(model, drawn, splits.train, yardstick, network, reason, plan, on_progress)


def check_shape(model: Generative, pictures: Pictures) -> None:
    spec = model.spec
    if pictures.shape != (spec.channels, *(spec.size or pictures.shape[1:])):
        raise UserError(
            f"{pictures.name} holds pictures of {pictures.shape}, but the model draws "
            f"{(spec.channels, *(spec.size or ()))}; give data of its size and channels"
        )
