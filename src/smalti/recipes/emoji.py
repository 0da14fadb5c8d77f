"""Recipes of priors of emoji over the codes of `vqgan-emoji`: of names and styles, and of edges."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from smalti.autoregressive import GPTConfig, Levels, PictureCondition
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.priors import prior
from smalti.recipes.recipe import CAPTIONS, Recipe
from smalti.training.config import Training

CODEC = "vqgan-emoji"
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

EDGES = PictureCondition(Levels(16, (1, 16, 16)), source="edges")
"""Edges as 16 levels of their mean strength in 4x4 pixels. The codec of emoji itself does not know
white lines on black: its reconstructions of edge maps are hardly nearer to them than to others."""
EDGES2EMOJI = Recipe(
    FetchedReader("emoji4-{size}"),
    partial(EMOJI_PRIOR, picture=EDGES),
    replace(TRAINING, batch_size=16),
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
    conditions=("style",),
)
