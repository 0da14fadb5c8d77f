"""Distill a diffusion model, so that it needs one to four evaluations instead of twenty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from smalti.core.checkpoint import SHIPPED_FOLDER, find_checkpoint, read_model_config
from smalti.core.errors import UserError
from smalti.core.model import name_model
from smalti.core.progress import ignore_event
from smalti.core.ranges import Guidance, Minutes, Range, Seed, TrainingSteps
from smalti.data.pictures import Splits
from smalti.diffusion import Consistency, DiffusionConfig
from smalti.recipes import find_recipe
from smalti.recipes.origin import read_origin
from smalti.tasks._train import train
from smalti.tasks.picture_data import RUNS, find_own_pictures
from smalti.tasks.reference import find_run
from smalti.tasks.run_data import OnEvent
from smalti.training.events import Ended

RECIPE = "matching"


def distill(
    model: str | Path,
    *,
    data: str | Path | Splits | None = None,
    evaluations: Annotated[int, Range(1, 4)] = 2,
    guidance: Guidance | None = None,
    minutes: Minutes | None = None,
    steps: TrainingSteps | None = None,
    seed: Seed = 0,
    out: str | Path | None = None,
    on_event: OnEvent = ignore_event,
) -> Ended:
    """Tune a diffusion model to draw in one to four network evaluations.

    The result is a run of distribution matching: a diffusion model with the sampler `Consistency`.
    Everything but its guidance, which is built in, works as before. `smalti train matching
    --start MODEL` has all options.

    model: Diffusion model. Shipped model, run or checkpoint.
    data: Folder, archive or pack of pictures (default: the model's).
    evaluations: Network evaluations of a sample; `--steps` of `smalti sample` changes them later.
    guidance: Guidance scale to build in (default: the model's).
    minutes: Training time (default: the recipe's).
    steps: Training steps, instead of minutes.
    seed: Seed of the noise and of the order of the pictures.
    out: Run folder (default: runs/MODEL-distilled).

    UserError for a model that is no diffusion model, is distilled already, or has condition
    pictures of its own; and if its training pictures are unknown.
    """
    name, config = name_model(model), read_model_config(find_checkpoint(model))
    config = check_distillable(config, name)
    changes: dict[str, Any] = {"sampler.steps": evaluations}
    if guidance is not None:
        changes["objective.teacher_guidance"] = guidance
    recipe = find_recipe(RECIPE).change(model=changes, training={"seed": seed})
    own, group_by = (data, None) if data is not None else find_training_data(model)
    return train(
        replace(recipe, size=config.shape[1:]),
        data=own,
        group_by=group_by,
        conditions=[condition.name for condition in config.conditions],
        start=model,
        augment=False,
        minutes=minutes,
        steps=steps,
        out=out or RUNS / f"{name}-distilled",
        on_event=on_event,
    )


def check_distillable(config: object, name: str) -> DiffusionConfig:
    """The config of a diffusion model. UserError for a model that cannot be distilled."""
    if not isinstance(config, DiffusionConfig):
        raise UserError(f"{name} is no diffusion model; give one, such as ddpm-digits")
    if isinstance(config.sampler, Consistency):
        raise UserError(f"{name} is distilled already; give the model that it was distilled from")
    if config.picture is not None and config.picture.source == "given":
        raise UserError(
            f"{name} has given pictures as a condition, with which it cannot be distilled yet; "
            "sample it with UniPC in 10 steps"
        )
    return config


def find_training_data(model: str | Path) -> tuple[str | None, str | None]:
    """What a model was trained on, None for the digits, and the pattern of its groups.

    UserError if it is unknown.
    """
    if (run := find_run(model)) is not None:
        return find_own_pictures(model), read_origin(run).group_by
    if find_checkpoint(model).parent == SHIPPED_FOLDER:
        return find_own_pictures(model), None
    raise UserError(
        f"data are missing: the training pictures of {name_model(model)} are unknown; give them "
        "(--data)"
    )
