"""Prepare the comparison of a model's samples with real pictures."""

from __future__ import annotations

from dataclasses import replace

import torch

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress
from smalti.core.protocols import GenerativeModel
from smalti.core.sampling import find_sampler
from smalti.data.pictures import Pictures, Splits
from smalti.evaluation.comparison import Comparison
from smalti.evaluation.held_out_pictures import open_reference
from smalti.evaluation.plan import Plan
from smalti.evaluation.sample_set import (
    choose_attributes,
    choose_balanced,
    choose_captions,
    choose_classes,
    choose_condition_pictures,
    draw_sample_set,
)


def prepare_comparison(
    model: GenerativeModel,
    splits: Splits,
    plan: Plan,
    on_progress: OnProgress,
) -> Comparison:
    """Draw the samples of all measures, and select the real pictures to compare them with."""
    reference = open_reference(model, splits, plan)
    held_out = reference.held_out
    check_shape(model, splits.train)
    plan = replace(plan, sampler=find_sampler(plan.sampler, model))
    n, K = plan.n, len(model.spec.classes)
    labels = choose_classes(n, K, plan.classes, splits.train.labels)
    selected = held_out.select(
        choose_balanced(held_out, n, plan.classes if K else "data"), "held-out"
    )
    text = choose_captions(n, model.spec.accepted_inputs, selected)
    pictures = choose_condition_pictures(model.spec.conditions, selected, n)
    if pictures and labels is not None and selected.labels is not None:
        labels = selected.labels[torch.arange(n) % len(selected)]  # the class of each picture
    attributes = choose_attributes(model.spec.conditions, selected, n)
    sample_set = draw_sample_set(
        model,
        n,
        plan.seed,
        labels,
        plan.sampler,
        plan.batch_size,
        on_progress,
        text,
        pictures,
        attributes,
    )
    return Comparison(model, sample_set, selected, reference, plan, on_progress)


def check_shape(model: GenerativeModel, pictures: Pictures) -> None:
    spec = model.spec
    if pictures.shape != (spec.channels, *(spec.size or pictures.shape[1:])):
        raise UserError(
            f"{pictures.name} contains pictures of {pictures.shape}, but the model draws "
            f"{(spec.channels, *(spec.size or ()))}; give data of that size and number of channels"
        )
