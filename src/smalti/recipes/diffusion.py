"""Recipes of diffusion models: on your pictures, digits, letters and emoji."""

from __future__ import annotations

from dataclasses import replace

from smalti.data.pictures import Pictures
from smalti.diffusion import (
    DDIM,
    Consistency,
    ConsistencyTuning,
    DiffusionConfig,
    DistributionMatching,
    Simple,
    UNetConfig,
)
from smalti.layers.condition_encoder import compute_width, make_choices
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import (
    FetchedReader,
    make_conditions,
    read_digits,
    read_digits_or_data,
)
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def ddpm(pictures: Pictures, picture: PictureOption | None = None) -> DiffusionConfig:
    """A U-Net whose largest feature maps are 32x32, with self-attention in the smallest.

    Conditioned on subfolders (as classes) and on captions, and on a picture. Above 64x64 it
    predicts x_0: 32 channels are too few for the noise of 4x4 pixels in three colors.
    """
    C, H, W = pictures.shape
    conditions = make_conditions(pictures)
    stem = 2 if max(H, W) <= 64 else 4
    deep = max(H, W) // stem > 16
    network = UNetConfig(
        channels=C,
        widths=(32, 64, 96) if deep else (40, 80),
        attention=(False, False, True) if deep else (False, True),
        stem=stem,
        condition_width=compute_width(conditions, reserve_none=True),
        dropout=0.1,
    )
    sampler = DDIM(guidance=1.5 if conditions else 1.0)
    config = DiffusionConfig((C, H, W), network, conditions=conditions, sampler=sampler)
    if stem > 2:
        config = replace(config, prediction="x0", objective=Simple(loss_space="v"))
    return add_picture(config, picture)


def add_picture(config: DiffusionConfig, option: PictureOption | None) -> DiffusionConfig:
    """The config with a picture as a condition, whose channels the network takes."""
    if option is None:
        return config
    picture = option.make_map(config.shape)
    network = replace(config.network, map_channels=picture.channels)  # pyright: ignore
    return replace(config, network=network, picture=picture)


def ddpm_digits(pictures: Pictures) -> DiffusionConfig:
    network = UNetConfig(widths=(40, 80), attention=(False, True), condition_width=11)
    return DiffusionConfig(pictures.shape, network, conditions=make_choices(pictures.classes))


def consistency(pictures: Pictures) -> DiffusionConfig:
    """Takes the network, the guidance and the space of the model that it starts from.

    One stage, and more noise than in ECT: docs/numbers.md, "Consistency tuning".
    """
    objective = ConsistencyTuning(
        teacher_guidance=1.0, stages=1, log_sigma_mean=-0.4, log_sigma_std=1.9
    )
    return distill(ddpm(pictures), objective)


def matching(pictures: Pictures) -> DiffusionConfig:
    """Takes the network, the guidance and the space of the model that it starts from."""
    return distill(ddpm(pictures), DistributionMatching())


def consistency_digits(pictures: Pictures) -> DiffusionConfig:
    return distill(ddpm_digits(pictures), DistributionMatching())


def distill(
    config: DiffusionConfig, objective: ConsistencyTuning | DistributionMatching
) -> DiffusionConfig:
    """Without condition dropout, since the guidance is built in."""
    return replace(config, objective=objective, sampler=Consistency(), condition_dropout=0.0)


def ddpm_letters(pictures: Pictures) -> DiffusionConfig:
    """The network of ddpm-digits with more classes: A-Z, a-z and 0-9 in hundreds of typefaces."""
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(40, 80),
        attention=(False, True),
        condition_width=len(pictures.classes) + 1,
        dropout=0.05,
    )
    conditions, sampler = make_choices(pictures.classes), DDIM(guidance=1.5)
    return DiffusionConfig(pictures.shape, network, conditions=conditions, sampler=sampler)


FEW_PICTURES = 100
"""Pictures below which training augments them: 50 gain from it, 200 do not (docs/training.md)."""
# small batches and Muon: docs/numbers.md, "Race"
DDPM_TRAINING = Training(
    optimizer="muon", batch_size=32, learning_rate=5e-3, warmup=50, save_every=1000
)
DDPM = Recipe(
    read_digits_or_data,
    ddpm,
    DDPM_TRAINING,
    size=32,
    few=FEW_PICTURES,
    takes_picture=True,
)
LONG_TRAINING = Training(batch_size=128, learning_rate=2e-3, ema=0.9995, save_every=1000)
DDPM_DIGITS = Recipe(read_digits, ddpm_digits, LONG_TRAINING, size=28)
LETTERS = Recipe(FetchedReader("letters-32"), ddpm_letters, LONG_TRAINING, size=32)
CONSISTENCY_TRAINING = Training(
    batch_size=64,
    learning_rate=3e-4,
    weight_decay=0.0,
    ema=0.999,
    precision="32",
    save_every=500,
)
CONSISTENCY = Recipe(read_digits_or_data, consistency, CONSISTENCY_TRAINING, size=32)
MATCHING_TRAINING = replace(CONSISTENCY_TRAINING, learning_rate=2e-4, warmup=50, ema=0.99)
MATCHING = Recipe(read_digits_or_data, matching, MATCHING_TRAINING, size=32)
CONSISTENCY_DIGITS = Recipe(read_digits, consistency_digits, MATCHING_TRAINING, size=28)
