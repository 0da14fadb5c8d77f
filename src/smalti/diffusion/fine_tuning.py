"""Start a diffusion model from another one, of other conditions, channels or size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.fingerprint import forget_folder
from smalti.core.players import StartWeights
from smalti.core.references import change_references
from smalti.diffusion.consistency import ConsistencyTuning
from smalti.diffusion.matching import DistributionMatching
from smalti.diffusion.space import Pixels
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import compute_width
from smalti.layers.start_weights import (
    Column,
    convert_channels,
    describe_new_columns,
    find_neutral_columns,
    list_columns,
    match_columns,
    replace_fields,
)

if TYPE_CHECKING:
    from smalti.diffusion.config import DiffusionConfig
    from smalti.diffusion.model import Diffusion

CONDITION = "network.condition.weight"
TIME_BIAS = "network.time.3.bias"
"""Of the U-Net: what is added to every embedding, whatever the condition."""


def follow_start(config: DiffusionConfig, start: DiffusionConfig) -> DiffusionConfig:
    """The config with the start's network, schedule and prediction, without which its weights mean
    nothing; and its objective, unless the config's is of another kind.

    A model of pixels takes the start's space, too; UserError for other latents than the start's.
    Distillation is in the start's space, with its picture condition and its guidance, and without
    dropout: its samples are to be sharp.
    """
    config = adopt_captions(config, start)
    if isinstance(config.objective, ConsistencyTuning | DistributionMatching):
        config = adopt_teacher(config, config.objective, start)
    space = start.space if isinstance(config.space, Pixels) else config.space
    if change_references(space, forget_folder) != change_references(start.space, forget_folder):
        raise UserError(
            f"start's space is {start.space}, but this model's is {space}; give another start"
        )
    same_kind = type(start.objective) is type(config.objective)
    network = replace_fields(
        start.network,
        channels=space.compute_shape(config.shape)[0],
        condition_width=config.condition_width,
        map_channels=config.picture.channels if config.picture else 0,
    )
    if isinstance(config.objective, ConsistencyTuning | DistributionMatching):
        network = replace_fields(network, dropout=0.0)
    return replace(
        config,
        network=network,
        space=space,
        schedule=start.schedule,
        prediction=start.prediction,
        objective=start.objective if same_kind else config.objective,
    )


def adopt_captions(config: DiffusionConfig, start: DiffusionConfig) -> DiffusionConfig:
    """The config with the start's encoders of captions, which its network knows."""
    known = {c.name: c for c in start.conditions if isinstance(c, CaptionConfig)}
    conditions = tuple(
        known.get(c.name, c) if isinstance(c, CaptionConfig) else c for c in config.conditions
    )
    added = compute_width(conditions, True) - compute_width(config.conditions, True)
    width = config.condition_width + added
    network = replace_fields(config.network, condition_width=width)
    return replace(config, conditions=conditions, network=network)


def adopt_teacher(
    config: DiffusionConfig,
    tuning: ConsistencyTuning | DistributionMatching,
    start: DiffusionConfig,
) -> DiffusionConfig:
    """The student's config in its teacher's space."""
    if tuning.teacher_guidance is not None:
        tuning = replace(tuning, teacher_guidance=start.sampler.guidance)
    network = replace_fields(
        start.network,
        channels=start.space.compute_shape(config.shape)[0],
        condition_width=config.condition_width,
    )
    return replace(
        config, network=network, space=start.space, picture=start.picture, objective=tuning
    )


def convert_weights(model: Diffusion, start: Diffusion) -> StartWeights:
    """The start's weights, rearranged where conditions and channels differ.

    Values of conditions are found by their names. What a network was told when it was told nothing
    is added to the embedding of time where the model has no such condition.
    """
    weights, own = dict(start.state_dict()), model.state_dict()
    before, after = list_vector(start.config), list_vector(model.config)
    neutral: dict[str, Tensor] = {}
    if CONDITION in weights and before:
        knows_none = start.config.condition_dropout > 0
        neutral = find_neutral_columns(weights[CONDITION], before, knows_none)
    if CONDITION in own:
        w = weights.get(CONDITION, own[CONDITION])
        weights[CONDITION] = match_columns(w, before, after, neutral)
    lost = [column for name, column in neutral.items() if name not in dict(after)]
    if TIME_BIAS in weights:
        weights[TIME_BIAS] = sum(lost, weights[TIME_BIAS])
    channels = convert_channels(weights, own, start.config.shape[0], model.config.shape[0])
    return StartWeights({**weights, **channels}, describe_new_columns(before, after))


def list_vector(config: DiffusionConfig) -> tuple[Column, ...]:
    """What each number of a model's condition vector is."""
    width = config.augmentation.width if config.augmentation else 0
    own: tuple[Column, ...] = tuple(("augmentation", k) for k in range(width))
    return own + list_columns(config.conditions, reserve_none=True)
