"""`vqvae-celebahq-4`: the article's configuration 4."""

from __future__ import annotations

from smalti.recipes.vqvae_celebahq import FOUR

RECIPE = FOUR[4]
