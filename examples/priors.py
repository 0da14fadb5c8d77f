"""Priors: a GPT draws the codes of a VQ-VAE, one after another."""

import smalti
from smalti.core.pictures import make_grid, save_gif, save_png
from smalti.layers.symbol_sampling import Ancestral

model = smalti.load("vqvae-digits-gpt")

# 49 codes a digit; the codec's decoder makes the picture.
digits = smalti.sample(model, 20, cond=[k % 10 for k in range(20)])
save_png(make_grid(digits, columns=10), "digits.png")

# Only the likeliest codes: all sevens become alike.
plain = smalti.sample(model, 8, cond=7, sampler=Ancestral(top_k=1))
save_png(make_grid(plain, columns=8), "likeliest.png")

# The canvas fills row by row.
states = smalti.stream(model, 4, cond=[2, 3, 5, 8])
save_gif([make_grid(model.render(state), columns=4) for state in states], "rows.gif")
