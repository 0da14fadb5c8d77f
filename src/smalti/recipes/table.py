"""The table of recipes, readable without importing PyTorch."""

from __future__ import annotations

from typing import NamedTuple

from smalti.core.messages import format_count


class Entry(NamedTuple):
    """A recipe in the table."""

    summary: str
    """One line, for `smalti list`."""
    module: str
    """Its module; the constant is the name in capitals, with _ for -."""
    steps: int | None = None
    """Default training time in optimizer steps."""
    minutes: float = 10.0
    """Default training time in minutes, if there are no steps."""
    takes_any_data: bool = False
    """Whether it is meant for the user's own data, of any kind."""

    @property
    def duration(self) -> str:
        """Default training time as text."""
        if self.steps is None:
            return format_count(self.minutes, "minute")
        return format_count(self.steps, "step")


DIFFUSION = "smalti.recipes.diffusion"
CODECS = "smalti.recipes.codecs"
AUTOREGRESSIVE = "smalti.recipes.autoregressive"
LATENTS = "smalti.recipes.latents"
PRIORS = "smalti.recipes.priors"
TRANSLATION = "smalti.recipes.translation"
CLASSIFIERS = "smalti.recipes.classifiers"
TEXTURES = "smalti.recipes.textures"
EMOJI = "smalti.recipes.emoji"


def make_celebahq_entry(variant: int, size: int, codes: int, epochs: int) -> Entry:
    """One of the four VQ-VAEs of the article, trained on 30,000 pictures in batches of 64."""
    summary = f"VQ-VAE {variant} of the article, CelebA-HQ {size}x{size}, {codes} codes"
    return Entry(summary, CODECS, steps=epochs * (30_000 // 64))


def make_celebahq_prior_entry(variant: int) -> Entry:
    """The article's PixelCNN over a codec of CelebA-HQ, 50 epochs of batches of 64."""
    summary = f"the article's prior of vqvae-celebahq-{variant}; with --devices 4"
    return Entry(summary, PRIORS, steps=50 * (30_000 // 64))


RECIPES = {
    "article-translator": Entry(
        "the article's Transformer of words on your corpus",
        TRANSLATION,
        minutes=720,
        takes_any_data=True,
    ),
    "article-prior-digits": Entry(  # 50 epochs of MNIST
        "the article's prior of vqvae-digits", PRIORS, steps=50 * (60_000 // 256)
    ),
    "autoencoder": Entry(
        "KL-regularized autoencoder on your pictures (default: the digits)",
        LATENTS,
        minutes=30,
        takes_any_data=True,
    ),
    "autoencoder-emoji": Entry(
        "autoencoder of emoji (shipped); needs `smalti fetch emoji4`", EMOJI, minutes=60
    ),
    "autoencoder-digits": Entry(
        "KL-regularized autoencoder of digits: 7x7 of 4 numbers", LATENTS, steps=46_720
    ),
    "consistency": Entry(
        "consistency tuning of a DDPM, for few evaluations; needs --start",
        DIFFUSION,
        minutes=30,
    ),
    "consistency-digits": Entry(
        "two evaluations from ddpm-digits; needs --start", DIFFUSION, steps=3000
    ),
    "ddpm": Entry("DDPM on your pictures (default: the digits)", DIFFUSION, takes_any_data=True),
    "ddpm-digits": Entry("class-conditional DDPM of digits (shipped)", DIFFUSION, steps=11_000),
    "ddpm-emoji": Entry(
        "DDPM of emoji by name (shipped); needs `smalti fetch emoji4`",
        EMOJI,
        minutes=180,
    ),
    "edges2emoji": Entry(
        "DDPM of emoji by their edges; needs `smalti fetch emoji4`",
        EMOJI,
        steps=4500,
    ),
    "emoji-gpt": Entry(
        "GPT of emoji by name and style; needs `smalti fetch emoji4`",
        EMOJI,
        minutes=60,
    ),
    "emoji-upscaler": Entry(
        "DDPM that doubles emoji; needs `smalti fetch emoji4`",
        EMOJI,
        steps=1600,
    ),
    "gated-pixelcnn-digits": Entry(
        "class-conditional Gated PixelCNN of digits", AUTOREGRESSIVE, minutes=60
    ),
    "gated-pixelcnn-digits-8": Entry(
        "class-conditional Gated PixelCNN of digits, 8 levels", AUTOREGRESSIVE, minutes=60
    ),
    "gated-pixelcnn-letters": Entry(
        "PixelCNN of letters; needs `smalti fetch letters`",
        AUTOREGRESSIVE,
        minutes=30,
    ),
    "gpt": Entry(
        "GPT over the codes of your codec (default: of the digits)",
        PRIORS,
        minutes=20,
        takes_any_data=True,
    ),
    "latent-ddpm": Entry(
        "DDPM in the latents of your codec (default: of the digits)",
        LATENTS,
        minutes=20,
        takes_any_data=True,
    ),
    "latent-ddpm-digits": Entry(
        "class-conditional DDPM in the latents of autoencoder-digits", LATENTS, steps=12_570
    ),
    "letters": Entry(
        "DDPM of letters, 32x32; needs `smalti fetch letters`",
        DIFFUSION,
        steps=15_000,
    ),
    "matching": Entry(
        "one to four evaluations from a DDPM; `smalti distill`", DIFFUSION, minutes=30
    ),
    "pixelcnn": Entry(
        "Gated PixelCNN on your pictures (default: the digits)", AUTOREGRESSIVE, takes_any_data=True
    ),
    "pixelcnn-celebahq-1": make_celebahq_prior_entry(1),
    "pixelcnn-celebahq-2": make_celebahq_prior_entry(2),
    "pixelcnn-celebahq-3": make_celebahq_prior_entry(3),
    "pixelcnn-celebahq-4": make_celebahq_prior_entry(4),
    "pixelcnn-codes": Entry(
        "PixelCNN over the codes of your codec (default: of the digits)",
        PRIORS,
        minutes=20,
        takes_any_data=True,
    ),
    "pixelcnnpp-digits": Entry(
        "class-conditional PixelCNN++ of digits", AUTOREGRESSIVE, steps=5000
    ),
    "pixelcnnpp-emoji": Entry(
        "PixelCNN++ of captioned emoji; needs `smalti fetch emoji`",
        AUTOREGRESSIVE,
        minutes=40,
    ),
    "translate": Entry(
        "translator on your corpus of sentence pairs", TRANSLATION, takes_any_data=True
    ),
    "vqvae": Entry("VQ-VAE on your pictures (default: the digits)", CODECS, takes_any_data=True),
    "vqvae-digits": Entry("VQ-VAE of digits: 7x7 of 64 codes", CODECS, minutes=15),
    "vqvae-digits-gpt": Entry(
        "class-conditional GPT over the codes of vqvae-digits", PRIORS, steps=32_000
    ),
    "vqvae-digits-pixelcnn": Entry(
        "class-conditional PixelCNN over codes of vqvae-digits", PRIORS, steps=18_000
    ),
    "vqvae-emoji": Entry(
        "VQ-VAE of emoji, 16x16 codes; needs `smalti fetch emoji`",
        CODECS,
        minutes=45,
    ),
    "vqvae-celebahq-1": make_celebahq_entry(1, size=128, codes=64, epochs=30),
    "vqvae-celebahq-2": make_celebahq_entry(2, size=128, codes=128, epochs=30),
    "vqvae-celebahq-3": make_celebahq_entry(3, size=64, codes=64, epochs=20),
    "vqvae-celebahq-4": make_celebahq_entry(4, size=64, codes=32, epochs=20),
    "vqvae-emoji-8": Entry(
        "network of vqgan-emoji, trained with squared error only", CODECS, minutes=45
    ),
    "vqgan": Entry(
        "VQGAN on your pictures (default: the digits)", CODECS, minutes=30, takes_any_data=True
    ),
    "vqgan-emoji": Entry(
        "VQGAN of emoji, 8x8 codes; needs `smalti fetch emoji4`",
        CODECS,
        steps=7000,
    ),
    "textures": Entry(
        "DDPM of textures (shipped); needs `smalti fetch textures`", TEXTURES, steps=7523
    ),
    "textures-gpt": Entry(
        "GPT over textures-codec's codes; needs `smalti fetch textures`",
        TEXTURES,
        steps=20_000,
    ),
    "textures-codec": Entry(
        "VQGAN of textures, 16x16 codes; needs `smalti fetch textures`",
        TEXTURES,
        steps=2000,
    ),
    "digits-classifier": Entry("classifier of digits", CLASSIFIERS, steps=6000),
    "emoji-classifier": Entry(
        "classifier of emoji; needs `smalti fetch emoji`",
        CLASSIFIERS,
        steps=3000,
    ),
}
