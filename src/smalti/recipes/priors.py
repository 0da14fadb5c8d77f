"""Recipes of priors: GPTs and PixelCNNs over the codes of a trained codec."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import (
    AutoregressiveConfig,
    CaptionTokens,
    FrozenCodec,
    GPTConfig,
    PictureCondition,
    build_config,
)
from smalti.autoregressive.network import NetworkConfig
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNNConfig
from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.data.pictures import Pictures
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.codecs import read_celebahq
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import read_digits, read_digits_or_data
from smalti.recipes.recipe import Recipe
from smalti.recipes.selected_conditions import make_all_choices
from smalti.training.config import Training

PLAIN = Ancestral()


def prior(
    pictures: Pictures,
    network: NetworkConfig,
    codec: str,
    *,
    condition_dropout: float = 0.1,
    symbol_noise: float = 0.05,
    max_shift: int = 0,
    sampler: Ancestral = PLAIN,
    picture: PictureOption | PictureCondition | None = None,
    captions: CaptionTokens | None = None,
    joint_dropout: float | None = None,
) -> AutoregressiveConfig:
    """A network over the codes of these pictures, conditioned on their classes and attributes.

    picture: another picture that it is conditioned on. captions: how captions become tokens; each
    of their words gets a row of its own.
    joint_dropout: None for `condition_dropout` if there are several, since guidance needs it.
    Top-k 100 and temperature 1 are VQGAN's (arXiv:2012.09841); with fewer codes top-k keeps all.
    UserError if the codec is for other pictures.
    """
    frozen = make_frozen_codec(codec, pictures).pin_hash()
    if isinstance(picture, PictureOption):
        picture = picture.make_condition(frozen)
    others = () if picture is None else (picture,)
    if captions is not None and pictures.captions:
        others = (*others, captions.learn_words(pictures.captions))
    if others and isinstance(network, GPTConfig):  # rows of words would be most of the output
        network = replace(network, output_size=frozen.load().vocab_size)
    conditions = (*make_all_choices(pictures), *others)
    if joint_dropout is None:
        joint_dropout = condition_dropout if len(conditions) > 1 else 0.0
    return build_config(
        frozen,
        network,
        conditions=conditions,
        condition_dropout=condition_dropout if conditions else 0.0,
        joint_dropout=joint_dropout,
        symbol_noise=symbol_noise,
        max_shift=max_shift,
        sampler=sampler,
    )


def make_frozen_codec(codec: str, pictures: Pictures) -> FrozenCodec:
    """A codec for these pictures. UserError if it is for other ones."""
    check_codec_shape(codec, pictures)
    return FrozenCodec(codec, shape=pictures.shape)


def check_codec_shape(codec: str, pictures: Pictures) -> None:
    """UserError if a codec is for other pictures."""
    spec = load(codec).spec
    if (spec.channels, *spec.size) != pictures.shape:
        (H, W), (c, h, w) = spec.size, pictures.shape
        raise UserError(
            f"codec {codec} has pictures of {spec.channels} x {H} x {W} (channels, height, width), "
            f"but {pictures.name} has {c} x {h} x {w}; give the codec of these pictures"
        )


DIGITS_CODEC = "vqvae-digits"
VQVAE_DIGITS_GPT = Recipe(
    read_digits,
    partial(
        prior,
        network=GPTConfig(layers=4, heads=4, width=128, dropout=0.1),
        codec=DIGITS_CODEC,
        max_shift=2,
        sampler=Ancestral(top_p=0.95, guidance=1.25),
    ),
    Training(batch_size=128, learning_rate=1e-3, weight_decay=0.05, ema=0.9995, save_every=2000),
    size=28,
    codec=DIGITS_CODEC,
)
VQVAE_DIGITS_PIXELCNN = Recipe(
    read_digits,
    partial(
        prior,
        network=GatedPixelCNNConfig(
            width=48, blocks=6, first_kernel_size=5, head_width=64, dropout=0.1
        ),
        codec=DIGITS_CODEC,
        max_shift=2,
        sampler=Ancestral(top_p=0.95, guidance=1.5),
    ),
    Training(batch_size=64, learning_rate=2e-3, weight_decay=0.05, ema=0.9995, save_every=1000),
    size=28,
    codec=DIGITS_CODEC,
)

GPT = Recipe(
    read_digits_or_data,
    partial(
        prior,
        network=GPTConfig(layers=6, heads=4, width=192, dropout=0.1),
        codec=DIGITS_CODEC,
        sampler=Ancestral(top_k=100),
    ),
    Training(batch_size=32, learning_rate=1e-3, weight_decay=0.05, ema=0.999, save_every=500),
    size=28,
    codec=DIGITS_CODEC,
    codec_recipe="vqgan",
)
PIXELCNN_CODES = Recipe(
    read_digits_or_data,
    partial(
        prior,
        network=GatedPixelCNNConfig(
            width=64, blocks=8, first_kernel_size=5, head_width=128, dropout=0.1
        ),
        codec=DIGITS_CODEC,
        sampler=Ancestral(top_k=100),
    ),
    Training(batch_size=32, learning_rate=2e-3, weight_decay=0.05, ema=0.999, save_every=500),
    size=28,
    codec=DIGITS_CODEC,
    codec_recipe="vqgan",
)


def article_prior(
    pictures: Pictures,
    codec: str,
    width: int,
    head_width: int,
    picture: PictureOption | None = None,
    captions: CaptionTokens | None = None,
) -> AutoregressiveConfig:
    """As in SingleZombie/DL-Demos: 15 blocks, and codes embedded in vectors as wide as a block."""
    network = GatedPixelCNNConfig(
        width=width, blocks=15, first_kernel_size=3, head_width=head_width, batch_norm=True
    )
    return prior(
        pictures,
        network,
        codec,
        condition_dropout=0.0,
        symbol_noise=0.0,
        picture=picture,
        captions=captions,
    )


ARTICLE_TRAINING = Training(batch_size=64, learning_rate=1e-3, weight_decay=0.0, save_every=2000)
ARTICLE_PRIOR_DIGITS = Recipe(
    read_digits,
    partial(article_prior, codec=DIGITS_CODEC, width=128, head_width=32),
    replace(ARTICLE_TRAINING, batch_size=256, save_every=1000),
    size=28,
    codec=DIGITS_CODEC,
)
PIXELCNN_CELEBAHQ_1, PIXELCNN_CELEBAHQ_2, PIXELCNN_CELEBAHQ_3, PIXELCNN_CELEBAHQ_4 = (
    Recipe(
        read_celebahq,
        partial(article_prior, codec=DIGITS_CODEC, width=384, head_width=256),
        ARTICLE_TRAINING,
        size=size,
        codec=DIGITS_CODEC,
        codec_recipe=f"vqvae-celebahq-{k}",
    )
    for k, size in enumerate((128, 128, 64, 64), start=1)
)
