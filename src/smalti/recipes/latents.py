"""Recipes of KL-regularized autoencoders, and of diffusion models in a codec's latents."""

from __future__ import annotations

from dataclasses import replace

from smalti.codecs import (
    ClassifierDistance,
    DiscriminatorConfig,
    KLAutoencoderConfig,
    StridedConfig,
)
from smalti.data.pictures import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, UNetConfig, make_latents
from smalti.layers.condition_encoder import compute_width
from smalti.recipes.codecs import VQGAN_TRAINING, vqgan
from smalti.recipes.diffusion import add_picture
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.pictures import make_conditions, read_digits, read_digits_or_data
from smalti.recipes.priors import check_codec_shape
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

DIGITS_AUTOENCODER = "autoencoder-digits"


def autoencoder(pictures: Pictures) -> KLAutoencoderConfig:
    """The network of the recipe vqgan, without its quantizer: 4 numbers per 8x8 pixels."""
    twin = vqgan(pictures)
    return KLAutoencoderConfig(
        twin.shape,
        twin.network,
        latent_channels=4,
        perceptual=twin.perceptual,
        discriminator=twin.discriminator,
    )


def autoencoder_digits(pictures: Pictures) -> KLAutoencoderConfig:
    """4 numbers per 4x4 pixels, trained without the classifier that later judges digits.

    The KL weight is a third of the mean absolute error, which the evidence lower bound of Laplace
    noise would have. Latents are close to a normal distribution, and blank ones carry nothing.
    """
    C = pictures.shape[0]
    return KLAutoencoderConfig(
        pictures.shape,
        StridedConfig(C, width=32, halvings=2, blocks=2),
        latent_channels=4,
        kl_weight=0.005,
        perceptual=ClassifierDistance("digits"),
        discriminator=DiscriminatorConfig(channels=C),
        perceptual_weight=0.0,
        discriminator_weight=0.0,
    )


def latent_ddpm(
    pictures: Pictures, codec: str = DIGITS_AUTOENCODER, picture: PictureOption | None = None
) -> DiffusionConfig:
    """A U-Net on a codec's latents, with self-attention in the coarsest feature maps.

    Conditioned on subfolders (as classes) and on captions, and on a picture.
    """
    check_codec_shape(codec, pictures)
    space, conditions = make_latents(codec), make_conditions(pictures)
    D, h, w = space.compute_shape(pictures.shape)
    widths = (64, 96, 128) if max(h, w) > 16 else (64, 96)
    network = UNetConfig(
        channels=D,
        widths=widths,
        attention=(*(False,) * (len(widths) - 1), True),
        stem=1,
        condition_width=compute_width(conditions, reserve_none=True),
        dropout=0.1,
    )
    sampler = DDIM(guidance=1.5 if conditions else 1.0)
    config = DiffusionConfig(
        pictures.shape, network, conditions=conditions, sampler=sampler, space=space
    )
    return add_picture(config, picture)


def latent_ddpm_digits(
    pictures: Pictures, codec: str = DIGITS_AUTOENCODER, picture: PictureOption | None = None
) -> DiffusionConfig:
    """Feature maps of 8x8 and 4x4, with half as many parameters as ddpm-digits."""
    config = latent_ddpm(pictures, codec, picture)
    assert isinstance(config.network, UNetConfig)
    network = replace(
        config.network, widths=(48, 64), attention=(False, False), blocks=1, dropout=0.0
    )
    return replace(config, network=network, sampler=DDIM(guidance=1.5))


AUTOENCODER = Recipe(read_digits_or_data, autoencoder, VQGAN_TRAINING, size=64)
AUTOENCODER_DIGITS = Recipe(
    read_digits,
    autoencoder_digits,
    Training(batch_size=32, learning_rate=2e-3, weight_decay=0.0, ema=0.998, save_every=1000),
    size=28,
)
LATENT_DDPM = Recipe(
    read_digits_or_data,
    latent_ddpm,
    Training(batch_size=64, learning_rate=1e-3, save_every=1000),
    size=28,
    codec=DIGITS_AUTOENCODER,
    codec_recipe="autoencoder",
    takes_picture=True,
)
LATENT_DDPM_DIGITS = Recipe(
    read_digits,
    latent_ddpm_digits,
    Training(
        batch_size=64,
        learning_rate=5e-3,
        optimizer="muon",
        warmup=50,
        ema=0.998,
        save_every=1000,
    ),
    size=28,
    codec=DIGITS_AUTOENCODER,
    takes_picture=True,
)
