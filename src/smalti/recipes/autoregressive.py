"""Recipes of PixelCNNs of pictures; those over a codec's codes are in priors.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import (
    AutoregressiveConfig,
    Levels,
    LogisticMixture,
    build_config,
)
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNNConfig
from smalti.autoregressive.pixelcnn.plusplus.network import PixelCNNPlusPlusConfig
from smalti.data.pictures import Pictures
from smalti.layers.caption import CaptionConfig
from smalti.layers.condition_encoder import make_choices
from smalti.recipes.pictures import FetchedReader, read_digits, read_digits_or_data
from smalti.recipes.recipe import Recipe
from smalti.recipes.selected_conditions import make_all_choices
from smalti.training.config import Training


def pixelcnn(pictures: Pictures) -> AutoregressiveConfig:
    """Wider in color, because each of the three feature groups gets a third of the width."""
    C = pictures.shape[0]
    width, head = (32, 64) if C == 1 else (48, 96)
    network = GatedPixelCNNConfig(C, width=width, head_width=head, blocks=8, dropout=0.1)
    conditions = make_all_choices(pictures)
    return build_config(Levels(256, pictures.shape), network, conditions=conditions)


def gated_pixelcnn_digits(pictures: Pictures, levels: int = 256) -> AutoregressiveConfig:
    """The first kernel is 27 wide instead of 7 as in the paper. On one channel it costs less than a
    block, and the receptive field covers the whole digit above a pixel. That would need three times
    as many blocks otherwise; with a smaller receptive field, strokes start in wrong places.
    """
    network = GatedPixelCNNConfig(width=64, blocks=8, first_kernel_size=27, head_width=128)
    conditions = make_choices(pictures.classes)
    return build_config(Levels(levels, pictures.shape), network, conditions=conditions)


def pixelcnn_letters(pictures: Pictures) -> AutoregressiveConfig:
    """8 levels of gray: with 256, much of a short training goes into the blur of the outlines."""
    network = GatedPixelCNNConfig(
        width=48, blocks=8, first_kernel_size=27, head_width=96, dropout=0.05
    )
    conditions = make_choices(pictures.classes)
    return build_config(Levels(8, pictures.shape), network, conditions=conditions)


def pixelcnnpp_digits(pictures: Pictures) -> AutoregressiveConfig:
    """The output is a softmax over the levels, not the mixture of logistics of the paper: three of
    four pixels are 0 and many are 255, which cost a smooth density bits. The levels are embedded,
    because the gray values of the digits repeat exactly (docs/numbers.md has the effect of each).
    """
    network = PixelCNNPlusPlusConfig(filters=32, blocks=2, dropout=0.35, embedding_width=16)
    conditions = make_choices(pictures.classes)
    return build_config(Levels(256, pictures.shape), network, conditions=conditions)


def pixelcnnpp_emoji(pictures: Pictures) -> AutoregressiveConfig:
    """Pictures conditioned on captions, as in arXiv:1606.05328, small enough for a CPU.

    Each channel has 32 levels. With 256, most of the loss is the noise of the low bits, and a short
    training learns little else. With fewer bits, shapes are learned sooner (arXiv:1612.08185).
    """
    return build_config(
        Levels(32, pictures.shape),
        PixelCNNPlusPlusConfig(filters=32, blocks=1, dropout=0.1),
        LogisticMixture(components=5),
        conditions=(CaptionConfig(width=64),),
        condition_dropout=0.1,
    )


PIXELCNN = Recipe(
    read_digits_or_data,
    pixelcnn,
    Training(batch_size=32, learning_rate=2e-3, save_every=500),
    size=32,
)
GATED_PIXELCNN_DIGITS = Recipe(
    read_digits,
    gated_pixelcnn_digits,
    Training(batch_size=16, learning_rate=2e-3, ema=0.9995, save_every=1000),
    size=28,
)
GATED_PIXELCNN_DIGITS_8 = replace(
    GATED_PIXELCNN_DIGITS, make_config=partial(gated_pixelcnn_digits, levels=8)
)
PIXELCNNPP_DIGITS = Recipe(
    read_digits,
    pixelcnnpp_digits,
    Training(batch_size=64, learning_rate=2e-3, weight_decay=0.02, ema=0.9995, save_every=500),
    size=28,
)
PIXELCNNPP_EMOJI = Recipe(
    FetchedReader("emoji-{size}", needs_captions=True),
    pixelcnnpp_emoji,
    Training(batch_size=16, learning_rate=2e-3, ema=0.999, save_every=500),
    size=32,
)
GATED_PIXELCNN_LETTERS = Recipe(
    FetchedReader("letters-32"),
    pixelcnn_letters,
    GATED_PIXELCNN_DIGITS.training,
    size=32,
)
