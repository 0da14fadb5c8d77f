"""`vqvae-digits-gpt`: a class-conditional GPT over the codes of `vqvae-digits`."""

from __future__ import annotations

from smalti.autoregressive import AutoregressiveConfig, Frozen, GPTConfig, fit
from smalti.data.pictures import Pictures
from smalti.layers.choosing import Ancestral
from smalti.layers.conditions import named_choice
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> AutoregressiveConfig:
    return fit(
        Frozen("vqvae-digits", shape=pictures.shape),
        GPTConfig(layers=4, heads=4, width=128, dropout=0.1),
        conditions=named_choice(pictures.classes),
        condition_dropout=0.1,
        noise=0.05,
        shift=2,
        sampler=Ancestral(top_p=0.9),
    )


def recipe() -> Recipe:
    training = Training(batch=128, rate=1e-3, weight_decay=0.05, ema=0.9995, save=2000)
    return Recipe(digits_only, model, training, size=28)
