"""Recipes of emoji in four styles: a prior of names and styles, a DDPM of edges, an upscaler."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import GPTConfig
from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, Simple, UNetConfig, UniPC
from smalti.layers.condition_encoder import compute_width
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.crops import CropReader
from smalti.recipes.diffusion import DDPM_TRAINING, add_picture
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.priors import prior
from smalti.recipes.recipe import CAPTIONS, Recipe
from smalti.recipes.selected_conditions import make_all_choices
from smalti.training.config import Training

CODEC = "vqgan-emoji"
EMOJI_PRIOR = partial(
    prior,
    network=GPTConfig(layers=4, heads=4, width=128, dropout=0.05),
    codec=CODEC,
    condition_dropout=0.1,
    symbol_noise=0.05,
    sampler=Ancestral(top_k=100),
)
TRAINING = Training(
    batch_size=32, learning_rate=2e-3, warmup=200, weight_decay=0.05, ema=0.999, save_every=500
)
EMOJI_GPT = Recipe(
    FetchedReader("emoji4-{size}"),
    partial(EMOJI_PRIOR, captions=CAPTIONS),
    TRAINING,
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
    conditions=("style", "category", "text"),
)


def edges2emoji(pictures: Pictures) -> DiffusionConfig:
    """A U-Net that sees the edges beside the noisy picture, so an emoji of any size has its lines.

    A prior over `vqgan-emoji` cannot: that codec does not know white lines on black.
    """
    conditions = make_all_choices(pictures)
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(32, 48, 80),
        attention=(False, False, True),
        condition_width=compute_width(conditions, reserve_none=True),
        dropout=0.05,
    )
    config = DiffusionConfig(
        pictures.shape,
        network,
        prediction="x0",
        objective=Simple(loss_space="v"),
        conditions=conditions,
        sampler=DDIM(guidance=1.5),
    )
    return add_picture(config, PictureOption("edges"))


EDGES2EMOJI = Recipe(
    FetchedReader("emoji4-{size}"),
    edges2emoji,
    replace(DDPM_TRAINING, flip=True),
    size=64,
    conditions=("style",),
)


def emoji_upscaler(pictures: Pictures) -> DiffusionConfig:
    """A U-Net without attention that doubles height and width, of pictures of any size."""
    network = UNetConfig(channels=pictures.shape[0], widths=(32, 64))
    config = DiffusionConfig(pictures.shape, network, sampler=UniPC(steps=5))
    return add_picture(config, PictureOption("low-resolution"))


EMOJI_UPSCALER = Recipe(
    CropReader("fluent-128", crops=8),
    emoji_upscaler,
    replace(DDPM_TRAINING, flip=True),
    size=64,
    conditions=(),
)
