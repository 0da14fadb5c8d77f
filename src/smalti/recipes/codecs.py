"""Recipes of VQ-VAEs and VQGANs: on your pictures, digits, emoji, and those of the article."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from smalti.codecs import (
    ClassifierDistance,
    DiscriminatorConfig,
    EMAConfig,
    ResidualConfig,
    StridedConfig,
    Uniform,
    VQConfig,
    VQGANConfig,
    VQVAEConfig,
)
from smalti.codecs.codebook_init import Revival
from smalti.core.errors import UserError
from smalti.core.size import Size
from smalti.data import Splits, read_splits
from smalti.data.pictures import Pictures
from smalti.recipes.pictures import EMOJI, FetchedReader, read_digits, read_digits_or_data
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def vqvae(
    pictures: Pictures, codes: int, code_width: int, width: int = 64, blocks: int = 2
) -> VQVAEConfig:
    """One code per 4x4 pixels; the codebook is updated by EMA."""
    network = StridedConfig(pictures.shape[0], width, halvings=2, blocks=blocks)
    return VQVAEConfig(pictures.shape, network, EMAConfig(codebook_size=codes, width=code_width))


def celebahq_vqvae(pictures: Pictures, codes: int) -> VQVAEConfig:
    """As in the article: no k-means, no revival, pictures in [0, 1], no EMA codebook."""
    network = StridedConfig(channels=pictures.shape[0], width=128, halvings=2, pixel_min=0.0)
    plain = VQConfig(codes, width=128, init=Uniform(), revival=Revival(threshold=0.0))
    return VQVAEConfig(pictures.shape, network, plain)


def vqgan(pictures: Pictures) -> VQGANConfig:
    """One code per 8x8 pixels. The 2x2 stem halves the time of a step. The discriminator has a
    receptive field of 34 x 34 pixels.
    """
    C, H, W = pictures.shape
    network = ResidualConfig(
        channels=C,
        widths=(32, 64, 96),
        blocks=1,
        attention=(False, False, False),
        latent_channels=64,
        stem=2,
        groups=16,
    )
    return VQGANConfig(
        shape=pictures.shape,
        network=network,
        quantizer=EMAConfig(codebook_size=512, width=32),
        perceptual=ClassifierDistance("digits" if (C, H, W) == (1, 28, 28) else "emoji"),
        discriminator=DiscriminatorConfig(channels=C, width=32, layers=2),
    )


def vqgan_without_discriminator(pictures: Pictures) -> VQVAEConfig:
    """The network of vqgan, trained with the squared error only."""
    config = vqgan(pictures)
    return VQVAEConfig(config.shape, config.network, config.quantizer)


def read_celebahq(
    path: str | None,
    *,
    size: Size,
    progress: Callable[[int, int], None] | None = None,
    group_by: str | None = None,
) -> Splits:
    """Read CelebA-HQ, which you have to provide."""
    if path is None:
        raise UserError("--data is missing; this recipe needs CelebA-HQ, which smalti cannot fetch")
    return read_splits(path, size=size, progress=progress, group_by=group_by)


VQVAE_TRAINING = Training(batch_size=32, learning_rate=1e-3, weight_decay=0.0, save_every=500)
VQVAE = Recipe(
    read_digits_or_data, partial(vqvae, codes=256, code_width=32), VQVAE_TRAINING, size=64
)
VQVAE_DIGITS = Recipe(
    read_digits,
    partial(vqvae, codes=64, code_width=16),
    replace(VQVAE_TRAINING, batch_size=64, save_every=1000),
    size=28,
)
VQVAE_EMOJI = Recipe(
    EMOJI,
    partial(vqvae, codes=256, code_width=32, width=96, blocks=3),
    replace(VQVAE_TRAINING, flip=True, save_every=1000),
    size=64,
)

CELEBAHQ_TRAINING = Training(batch_size=64, learning_rate=2e-4, weight_decay=0.0, save_every=2000)
VQVAE_CELEBAHQ_1, VQVAE_CELEBAHQ_2, VQVAE_CELEBAHQ_3, VQVAE_CELEBAHQ_4 = (
    Recipe(read_celebahq, partial(celebahq_vqvae, codes=codes), CELEBAHQ_TRAINING, size=size)
    for size, codes in ((128, 64), (128, 128), (64, 64), (64, 32))  # of SingleZombie/DL-Demos
)

VQGAN_TRAINING = Training(batch_size=16, learning_rate=5e-4, weight_decay=0.0, save_every=500)
VQGAN = Recipe(read_digits_or_data, vqgan, VQGAN_TRAINING, size=64)
VQGAN_EMOJI = Recipe(
    FetchedReader("emoji4-64"),
    vqgan,
    replace(VQGAN_TRAINING, batch_size=48, learning_rate=6e-4, flip=True, save_every=1000),
    size=64,
)
VQVAE_EMOJI_8 = replace(VQGAN_EMOJI, make_config=vqgan_without_discriminator)
