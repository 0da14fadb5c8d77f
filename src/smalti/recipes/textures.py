"""Recipes of textures: a codec of small crops, and a prior that draws pictures of any size."""

from __future__ import annotations

from functools import partial

from smalti.autoregressive import GPTConfig
from smalti.codecs import (
    DiscriminatorConfig,
    EMAConfig,
    StridedConfig,
    VQGANConfig,
)
from smalti.data.pictures import Pictures
from smalti.diffusion import DiffusionConfig, UNetConfig, Windows
from smalti.layers.condition_encoder import compute_width, make_choices
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.crops import CropReader
from smalti.recipes.diffusion import DDPM_TRAINING
from smalti.recipes.priors import prior
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

PACK = "textures-free-128"  # models trained on it may be redistributed
NOT_STATIONARY = ("carpet", "snow")
"""Classes of that pack whose pictures show figures: medallions, a mountain."""


def texture_codec(pictures: Pictures) -> VQGANConfig:
    """One code per 4x4 pixels. No layer sees more than a neighborhood, so a canvas of any size
    decodes as its windows do.
    """
    C = pictures.shape[0]
    return VQGANConfig(
        shape=pictures.shape,
        network=StridedConfig(channels=C, width=64, halvings=2, blocks=2),
        quantizer=EMAConfig(codebook_size=512, width=32),
        perceptual_weight=0.0,  # the classifiers at hand know no materials
        discriminator=DiscriminatorConfig(channels=C, width=32, layers=2),
        discriminator_start=0.75,
    )


def textures(pictures: Pictures) -> DiffusionConfig:
    """Without attention, whose maps of larger canvases are others than in training."""
    conditions = make_choices(pictures.classes)
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(32, 64, 96),
        attention=(False, False, False),
        condition_width=compute_width(conditions, reserve_none=True),
    )
    return DiffusionConfig(
        pictures.shape, network, conditions=conditions, windows=Windows(scale=2.0)
    )


CROPS = CropReader(PACK, crops=64, dropped=NOT_STATIONARY, balances=True, turns=False)
TEXTURES = Recipe(
    CROPS,
    textures,
    DDPM_TRAINING,
    size=64,
)
CODEC = "textures-codec"
TEXTURES_CODEC = Recipe(
    CropReader(PACK, crops=128, dropped=NOT_STATIONARY),
    texture_codec,
    Training(batch_size=32, learning_rate=1e-3, weight_decay=0.0, save_every=400),
    size=64,
)
TEXTURES_GPT = Recipe(
    CROPS,
    partial(
        prior,
        network=GPTConfig(layers=4, heads=4, width=128, dropout=0.0),
        codec=CODEC,
        condition_dropout=0.0,
        sampler=Ancestral(top_k=100),
    ),
    Training(
        batch_size=8,
        learning_rate=2e-3,
        warmup=100,
        weight_decay=0.05,
        ema=0.998,
        save_every=500,
    ),
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
)
