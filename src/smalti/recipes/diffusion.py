"""Diffusion models: on anybody's pictures, of digits, of letters and of emoji."""

from __future__ import annotations

from dataclasses import replace

from smalti.data.pictures import Pictures
from smalti.diffusion import (
    DDIM,
    Consistency,
    ConsistencyTuning,
    DiffusionConfig,
    Simple,
    UNetConfig,
)
from smalti.layers.conditions import count_columns, named_choice
from smalti.recipes.pictures import (
    EMOJI,
    FetchedOrOwn,
    digits_only,
    digits_or_own,
    list_conditions,
)
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def ddpm(pictures: Pictures) -> DiffusionConfig:
    """A U-Net whose finest maps are at most 32x32 and whose coarsest attend to themselves.

    Subfolders and captions are learned.
    """
    C, H, W = pictures.shape
    conditions = list_conditions(pictures)
    stem = 2 if max(H, W) <= 64 else 4
    deep = max(H, W) // stem > 16
    network = UNetConfig(
        channels=C,
        widths=(32, 64, 96) if deep else (40, 80),
        attention=(False, False, True) if deep else (False, True),
        stem=stem,
        condition=count_columns(conditions, spare=True),
        dropout=0.1,
    )
    sampler = DDIM(guidance=1.5 if conditions else 1.0)
    return DiffusionConfig((C, H, W), network, conditions=conditions, sampler=sampler)


def ddpm_digits(pictures: Pictures) -> DiffusionConfig:
    network = UNetConfig(widths=(40, 80), attention=(False, True), condition=11)
    return DiffusionConfig(pictures.shape, network, conditions=named_choice(pictures.classes))


def consistency_digits(pictures: Pictures) -> DiffusionConfig:
    """Classes are not hidden: what guidance does is not asked of it."""
    return replace(
        ddpm_digits(pictures),
        objective=ConsistencyTuning(),  # over 4,000 steps, which the table gives the run, too
        sampler=Consistency(),
        condition_dropout=0.0,
    )


def letters(pictures: Pictures) -> DiffusionConfig:
    """The network of ddpm-digits with more classes: A-Z, a-z and 0-9 in hundreds of typefaces."""
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(40, 80),
        attention=(False, True),
        condition=len(pictures.classes) + 1,
        dropout=0.05,
    )
    told, sampler = named_choice(pictures.classes), DDIM(guidance=1.5)
    return DiffusionConfig(pictures.shape, network, conditions=told, sampler=sampler)


def ddpm_emoji(pictures: Pictures) -> DiffusionConfig:
    """Maps of 16x16 and 8x8 behind a stem of 4: what makes 64x64 affordable on a CPU.

    64 channels cannot carry the noise of 4x4 pixels in three colours, 48 numbers, beside all else,
    so the network predicts the picture; predicting v left speckles on white.
    """
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(64, 128),
        attention=(False, True),
        stem=4,
        condition=len(pictures.classes) + 1,
    )
    return DiffusionConfig(
        pictures.shape,
        network,
        prediction="x0",
        objective=Simple(error="v"),
        conditions=named_choice(pictures.classes),
        sampler=DDIM(guidance=2.0),
    )


DDPM = Recipe(digits_or_own, ddpm, Training(batch=64, rate=1e-3, save=1000), size=32)
LONG = Training(batch=128, rate=2e-3, ema=0.9995, save=1000)
DDPM_DIGITS = Recipe(digits_only, ddpm_digits, LONG, size=28)
LETTERS = Recipe(FetchedOrOwn("letters-32"), letters, LONG, size=32)
DDPM_EMOJI = Recipe(EMOJI, ddpm_emoji, replace(LONG, batch=32, rate=1e-3), size=64)
CONSISTENCY_DIGITS = Recipe(
    digits_only,
    consistency_digits,
    Training(batch=128, rate=3e-4, weight_decay=0.0, ema=0.999, precision="32", save=1000),
    size=28,
)
