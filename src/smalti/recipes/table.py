"""The table of recipes, which is read without importing PyTorch."""

from __future__ import annotations

from typing import NamedTuple

from smalti.core.messages import format_count


class Entry(NamedTuple):
    """A line of the table: what a recipe is, and where."""

    summary: str
    """One line, for `smalti list`."""
    module: str
    """Where it is: the constant of its name, in capitals and with _ for -."""
    steps: int | None = None
    """How long it trains unless told otherwise, in optimizer steps."""
    minutes: float = 10.0
    """The same where no steps are given."""

    @property
    def duration(self) -> str:
        """How long it trains unless told otherwise, for people."""
        if self.steps is None:
            return format_count(self.minutes, "minute")
        return format_count(self.steps, "step")


DIFFUSION = "smalti.recipes.diffusion"
CODECS = "smalti.recipes.codecs"
AUTOREGRESSIVE = "smalti.recipes.autoregressive"
CLASSIFIERS = "smalti.recipes.classifiers"


def make_celebahq_entry(variant: int, size: int, codes: int, epochs: int) -> Entry:
    """One of the article's four VQ-VAEs, trained on 30,000 pictures in batches of 64."""
    summary = f"the article's VQ-VAE {variant} of CelebA-HQ: {size}x{size}, {codes} codes"
    return Entry(summary, CODECS, steps=epochs * (30_000 // 64))


RECIPES = {
    "consistency-digits": Entry(
        "ddpm-digits tuned for 1 to 4 steps; begin with --start ddpm-digits", DIFFUSION, steps=4000
    ),
    "ddpm": Entry("DDPM on your pictures (without --data: on the digits)", DIFFUSION),
    "ddpm-digits": Entry("the shipped class-conditional DDPM of digits", DIFFUSION, steps=11_000),
    "ddpm-emoji": Entry(
        "the shipped DDPM of emoji, 64x64 in color; first `smalti fetch emoji`",
        DIFFUSION,
        steps=9500,
    ),
    "gated-pixelcnn-digits": Entry(
        "class-conditional Gated PixelCNN of digits", AUTOREGRESSIVE, minutes=60
    ),
    "gated-pixelcnn-digits-8": Entry(
        "class-conditional Gated PixelCNN of digits in 8 levels", AUTOREGRESSIVE, minutes=60
    ),
    "letters": Entry(
        "a DDPM of letters in many typefaces, 32x32; first `smalti fetch letters`",
        DIFFUSION,
        steps=15_000,
    ),
    "pixelcnn": Entry(
        "Gated PixelCNN on your pictures (without --data: on the digits)", AUTOREGRESSIVE
    ),
    "pixelcnnpp-digits": Entry(
        "class-conditional PixelCNN++ of digits", AUTOREGRESSIVE, steps=5000
    ),
    "pixelcnnpp-emoji": Entry(
        "a PixelCNN++ of emoji from their names, 32x32 in color; first `smalti fetch emoji`",
        AUTOREGRESSIVE,
        minutes=40,
    ),
    "vqvae": Entry("VQ-VAE on your pictures (without --data: on the digits)", CODECS),
    "vqvae-digits": Entry("a VQ-VAE of digits: 28x28 as 7x7 of 64 codes", CODECS, minutes=15),
    "vqvae-digits-gpt": Entry(
        "a class-conditional GPT over the 7x7 codes of vqvae-digits", AUTOREGRESSIVE, steps=32_000
    ),
    "vqvae-emoji": Entry(
        "a VQ-VAE of emoji: 64x64 as 16x16 of 256 codes; first `smalti fetch emoji`",
        CODECS,
        minutes=45,
    ),
    "vqvae-celebahq-1": make_celebahq_entry(1, size=128, codes=64, epochs=30),
    "vqvae-celebahq-2": make_celebahq_entry(2, size=128, codes=128, epochs=30),
    "vqvae-celebahq-3": make_celebahq_entry(3, size=64, codes=64, epochs=20),
    "vqvae-celebahq-4": make_celebahq_entry(4, size=64, codes=32, epochs=20),
    "vqvae-emoji-8": Entry(
        "the network of vqgan-emoji by squared error alone, to compare", CODECS, minutes=45
    ),
    "vqgan": Entry("VQGAN on your pictures (without --data: on the digits)", CODECS, minutes=30),
    "vqgan-emoji": Entry(
        "a VQGAN of emoji: 64x64 as 8x8 of 512 codes; first `smalti fetch emoji`",
        CODECS,
        minutes=45,
    ),
    "vqgan-emoji4": Entry(
        "a VQGAN of four styles of emoji, 64x64 as 8x8 codes; first `smalti fetch emoji4`",
        CODECS,
        steps=7000,
    ),
    "digits-classifier": Entry("the judge of digit samples", CLASSIFIERS, steps=6000),
    "emoji-classifier": Entry(
        "the judge of emoji and other colored pictures; first `smalti fetch emoji`",
        CLASSIFIERS,
        steps=3000,
    ),
}
