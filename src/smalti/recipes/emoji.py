"""Recipes of priors of emoji in four styles, over the codes of `vqgan-emoji`."""

from __future__ import annotations

from functools import partial

from smalti.autoregressive import GPTConfig
from smalti.layers.symbol_sampling import Ancestral
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.priors import prior
from smalti.recipes.recipe import CAPTIONS, Recipe
from smalti.training.config import Training

CODEC = "vqgan-emoji"
EMOJI_GPT = Recipe(
    FetchedReader("emoji4-{size}"),
    partial(
        prior,
        network=GPTConfig(layers=4, heads=4, width=128, dropout=0.05),
        codec=CODEC,
        condition_dropout=0.1,
        joint_dropout=0.1,
        symbol_noise=0.05,
        captions=CAPTIONS,
        sampler=Ancestral(top_k=100),
    ),
    Training(
        batch_size=32,
        learning_rate=2e-3,
        warmup=200,
        weight_decay=0.05,
        ema=0.999,
        save_every=500,
    ),
    size=64,
    codec=CODEC,
    codec_recipe=CODEC,
    conditions=("style", "category", "text"),
)
