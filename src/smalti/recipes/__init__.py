"""Recipes: complete runs, each with the numbers it reached."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from smalti.core.errors import UserError
from smalti.core.messages import suggest

if TYPE_CHECKING:
    from smalti.recipes.recipe import Recipe

# name -> (module, one line for `smalti list`, how long it trains unless told otherwise), so that
# listing imports nothing heavy
RECIPES = {
    "consistency-digits": (
        "smalti.recipes.consistency_digits",
        "ddpm-digits tuned for 1 to 4 steps; begin with --start ddpm-digits",
        "4,000 steps",
    ),
    "ddpm": (
        "smalti.recipes.ddpm",
        "DDPM on your pictures (without --data: on the digits)",
        "10 minutes",
    ),
    "ddpm-digits": (
        "smalti.recipes.ddpm_digits",
        "the shipped class-conditional DDPM of digits",
        "11,000 steps",
    ),
    "ddpm-emoji": (
        "smalti.recipes.ddpm_emoji",
        "the shipped DDPM of emoji, 64x64 in colour; first `smalti fetch emoji`",
        "9,500 steps",
    ),
    "gated-pixelcnn-digits": (
        "smalti.recipes.gated_pixelcnn_digits",
        "class-conditional Gated PixelCNN of digits",
        "60 minutes",
    ),
    "gated-pixelcnn-digits-8": (
        "smalti.recipes.gated_pixelcnn_digits_8",
        "class-conditional Gated PixelCNN of digits in 8 levels",
        "60 minutes",
    ),
    "letters": (
        "smalti.recipes.letters",
        "a DDPM of letters in many typefaces, 32x32; first `smalti fetch letters`",
        "15,000 steps",
    ),
    "pixelcnn": (
        "smalti.recipes.pixelcnn",
        "Gated PixelCNN on your pictures (without --data: on the digits)",
        "10 minutes",
    ),
    "pixelcnnpp-digits": (
        "smalti.recipes.pixelcnnpp_digits",
        "class-conditional PixelCNN++ of digits",
        "5,000 steps",
    ),
    "pixelcnnpp-emoji": (
        "smalti.recipes.pixelcnnpp_emoji",
        "a PixelCNN++ of emoji from their names, 32x32 in colour; first `smalti fetch emoji`",
        "40 minutes",
    ),
    "vqvae": (
        "smalti.recipes.vqvae",
        "VQ-VAE on your pictures (without --data: on the digits)",
        "10 minutes",
    ),
    "vqvae-digits": (
        "smalti.recipes.vqvae_digits",
        "a VQ-VAE of digits: 28x28 as 7x7 of 64 codes",
        "15 minutes",
    ),
    "vqvae-digits-gpt": (
        "smalti.recipes.vqvae_digits_gpt",
        "a class-conditional GPT over the 7x7 codes of vqvae-digits",
        "32,000 steps",
    ),
    "vqvae-emoji": (
        "smalti.recipes.vqvae_emoji",
        "a VQ-VAE of emoji: 64x64 as 16x16 of 256 codes; first `smalti fetch emoji`",
        "45 minutes",
    ),
    "vqvae-celebahq-1": (
        "smalti.recipes.vqvae_celebahq_1",
        "the article's VQ-VAE 1 of CelebA-HQ: 128x128, 64 codes",
        "14,040 steps",
    ),
    "vqvae-celebahq-2": (
        "smalti.recipes.vqvae_celebahq_2",
        "the article's VQ-VAE 2 of CelebA-HQ: 128x128, 128 codes",
        "14,040 steps",
    ),
    "vqvae-celebahq-3": (
        "smalti.recipes.vqvae_celebahq_3",
        "the article's VQ-VAE 3 of CelebA-HQ: 64x64, 64 codes",
        "9,360 steps",
    ),
    "vqvae-celebahq-4": (
        "smalti.recipes.vqvae_celebahq_4",
        "the article's VQ-VAE 4 of CelebA-HQ: 64x64, 32 codes",
        "9,360 steps",
    ),
    "vqvae-emoji-8": (
        "smalti.recipes.vqvae_emoji_8",
        "the network of vqgan-emoji by squared error alone, to compare",
        "45 minutes",
    ),
    "vqgan": (
        "smalti.recipes.vqgan",
        "VQGAN on your pictures (without --data: on the digits)",
        "30 minutes",
    ),
    "vqgan-emoji": (
        "smalti.recipes.vqgan_emoji",
        "a VQGAN of emoji: 64x64 as 8x8 of 512 codes; first `smalti fetch emoji`",
        "45 minutes",
    ),
    "vqgan-emoji4": (
        "smalti.recipes.vqgan_emoji4",
        "a VQGAN of four styles of emoji, 64x64 as 8x8 codes; first `smalti fetch emoji4`",
        "7,000 steps",
    ),
    "digits-classifier": (
        "smalti.recipes.digits_classifier",
        "the judge of digit samples",
        "6,000 steps",
    ),
    "emoji-classifier": (
        "smalti.recipes.emoji_classifier",
        "the judge of emoji and other coloured pictures; first `smalti fetch emoji`",
        "3,000 steps",
    ),
}


def find(name: str) -> Recipe:
    """The recipe of that name. UserError when there is none."""
    if name not in RECIPES:
        raise UserError(f"no recipe {name!r}; {suggest(name, RECIPES)}")
    return import_module(RECIPES[name][0]).RECIPE
