"""`consistency-digits`: the shipped DDPM of digits, tuned to draw in one to four evaluations."""

from __future__ import annotations

from dataclasses import replace

from smalti.data.pictures import Pictures
from smalti.diffusion import Consistency, ConsistencyTuning, DiffusionConfig
from smalti.recipes.ddpm_digits import model as ddpm_digits
from smalti.recipes.pictures import digits_only
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training


def model(pictures: Pictures) -> DiffusionConfig:
    """Classes are not hidden: what guidance does is not asked of it."""
    return replace(
        ddpm_digits(pictures),
        objective=ConsistencyTuning(),  # over 4,000 steps, which the table gives the run, too
        sampler=Consistency(),
        condition_dropout=0.0,
    )


CONSISTENCY_DIGITS = Recipe(
    digits_only,
    model,
    Training(batch=128, rate=3e-4, weight_decay=0.0, ema=0.999, precision="32", save=1000),
    size=28,
)
