"""`vqvae-celebahq-3`: the article's configuration 3."""

from __future__ import annotations

from smalti.recipes.vqvae_celebahq import FOUR

RECIPE = FOUR[3]
