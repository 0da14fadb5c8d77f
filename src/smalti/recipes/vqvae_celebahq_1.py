"""`vqvae-celebahq-1`: the article's configuration 1."""

from __future__ import annotations

from smalti.recipes.vqvae_celebahq import FOUR

RECIPE = FOUR[1]
