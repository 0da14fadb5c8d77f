"""Recipes of emoji in four styles: a DDPM and a prior of names and styles, a DDPM of edges, an
upscaler.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import GPTConfig
from smalti.codecs import KLAutoencoderConfig
from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, Simple, UNetConfig, UniPC, make_latents
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import compute_width
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.codecs import VQGAN_TRAINING
from smalti.recipes.crops import CropReader
from smalti.recipes.diffusion import DDPM_TRAINING, add_picture
from smalti.recipes.latents import autoencoder
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.priors import check_codec_shape, prior
from smalti.recipes.recipe import CAPTIONS, Recipe
from smalti.recipes.selected_conditions import make_all_choices
from smalti.training.config import Training

CODEC = "vqgan-emoji"
AUTOENCODER = "autoencoder-emoji"
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


def autoencoder_emoji(pictures: Pictures) -> KLAutoencoderConfig:
    """4 numbers per 4x4 pixels: with 8x8, as in the recipe autoencoder, lines and styles blur."""
    twin = autoencoder(pictures)
    network = replace(twin.network, widths=(32, 64), attention=(False, False))  # pyright: ignore
    return replace(twin, network=network, discriminator_start=0.6)


def ddpm_emoji(
    pictures: Pictures, codec: str = AUTOENCODER, picture: PictureOption | None = None
) -> DiffusionConfig:
    """A U-Net of names, styles and categories in 16x16 latents.

    In the same time it learns twice as many names as one of pixels (docs/numbers.md).
    """
    check_codec_shape(codec, pictures)
    space, captions = make_latents(codec), (CaptionConfig(width=80),) if pictures.captions else ()
    conditions = (*make_all_choices(pictures), *captions)
    network = UNetConfig(
        channels=space.compute_shape(pictures.shape)[0],
        widths=(80, 128),
        attention=(False, True),
        stem=1,
        condition_width=compute_width(conditions, reserve_none=True),
        dropout=0.05,
    )
    sampler = DDIM(guidance=3.0)
    config = DiffusionConfig(
        pictures.shape, network, conditions=conditions, sampler=sampler, space=space
    )
    return add_picture(config, picture)


AUTOENCODER_EMOJI = Recipe(
    FetchedReader("emoji4-{size}"),
    autoencoder_emoji,
    replace(VQGAN_TRAINING, batch_size=48, learning_rate=6e-4, flip=True, save_every=1000),
    size=64,
)
DDPM_EMOJI = Recipe(
    FetchedReader("emoji4-{size}"),
    ddpm_emoji,
    replace(DDPM_TRAINING, batch_size=64),
    size=64,
    codec=AUTOENCODER,
    conditions=("style", "category", "text"),
    takes_picture=True,
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
