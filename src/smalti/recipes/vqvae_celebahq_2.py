"""`vqvae-celebahq-2`: the article's configuration 2."""

from __future__ import annotations

from smalti.recipes.vqvae_celebahq import FOUR

RECIPE = FOUR[2]
