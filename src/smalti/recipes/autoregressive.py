"""Autoregressive models: PixelCNNs of pictures, and a GPT over codes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import (
    AutoregressiveConfig,
    Frozen,
    GPTConfig,
    Levels,
    LogisticMixture,
    fit,
)
from smalti.autoregressive.pixelcnn.gated.network import GatedConfig
from smalti.autoregressive.pixelcnn.plusplus.network import PlusPlusConfig
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.layers.choosing import Ancestral
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import FetchedOrOwn, digits_only, digits_or_own
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def pixelcnn(pictures: Pictures) -> AutoregressiveConfig:
    """In colour wider, for each of the three groups of features has a third of the width."""
    C = pictures.shape[0]
    width, head = (32, 64) if C == 1 else (48, 96)
    network = GatedConfig(C, width=width, head=head, blocks=8, dropout=0.1)
    told = named_choice(pictures.classes)
    return fit(Levels(256, pictures.shape), network, conditions=told)


def gated_pixelcnn_digits(pictures: Pictures, levels: int = 256) -> AutoregressiveConfig:
    """The first window is 27 wide instead of the paper's 7: over one channel that costs less than a
    block, and lets a pixel see the whole digit above it. Blocks alone would take three times as
    many for that, and with less in view strokes begin where none belongs.
    """
    network = GatedConfig(width=64, blocks=8, first=27, head=128)
    told = named_choice(pictures.classes)
    return fit(Levels(levels, pictures.shape), network, conditions=told)


def pixelcnnpp_digits(pictures: Pictures) -> AutoregressiveConfig:
    """Its output is a softmax over the levels, not the paper's mixture of logistics: of four pixels
    three are 0 and many are 255, which smooth curves spend bits on. It looks levels up as vectors,
    too: the digits' grey bytes repeat themselves exactly (docs/numbers.md has what each changed).
    """
    network = PlusPlusConfig(filters=32, blocks=2, dropout=0.35, embed=16)
    told = named_choice(pictures.classes)
    return fit(Levels(256, pictures.shape), network, conditions=told)


def pixelcnnpp_emoji(pictures: Pictures) -> AutoregressiveConfig:
    """Pictures from a description, as in arXiv:1606.05328, at the scale of a CPU.

    Colours have 32 levels each. With 256 most of the loss is the grain of shades, and a short
    training learns little else. With a few bits first shapes come sooner, which arXiv:1612.08185
    shows.
    """
    return fit(
        Levels(32, pictures.shape),
        PlusPlusConfig(filters=32, blocks=1, dropout=0.1),
        LogisticMixture(components=5),
        conditions=(CaptionConfig(width=64),),
        condition_dropout=0.1,
    )


def vqvae_digits_gpt(pictures: Pictures) -> AutoregressiveConfig:
    return fit(
        Frozen("vqvae-digits", shape=pictures.shape),
        GPTConfig(layers=4, heads=4, width=128, dropout=0.1),
        conditions=named_choice(pictures.classes),
        condition_dropout=0.1,
        noise=0.05,
        shift=2,
        sampler=Ancestral(top_p=0.9),
    )


PIXELCNN = Recipe(digits_or_own, pixelcnn, Training(batch=32, rate=2e-3, save=500), size=32)
GATED_PIXELCNN_DIGITS = Recipe(
    digits_only,
    gated_pixelcnn_digits,
    Training(batch=16, rate=2e-3, ema=0.9995, save=1000),
    size=28,
)
GATED_PIXELCNN_DIGITS_8 = replace(
    GATED_PIXELCNN_DIGITS, model=partial(gated_pixelcnn_digits, levels=8)
)
PIXELCNNPP_DIGITS = Recipe(
    digits_only,
    pixelcnnpp_digits,
    Training(batch=64, rate=2e-3, weight_decay=0.02, ema=0.9995, save=500),
    size=28,
)
PIXELCNNPP_EMOJI = Recipe(
    FetchedOrOwn("emoji-{size}", captions=True),
    pixelcnnpp_emoji,
    Training(batch=16, rate=2e-3, ema=0.999, save=500),
    size=32,
)
VQVAE_DIGITS_GPT = Recipe(
    digits_only,
    vqvae_digits_gpt,
    Training(batch=128, rate=1e-3, weight_decay=0.05, ema=0.9995, save=2000),
    size=28,
)
