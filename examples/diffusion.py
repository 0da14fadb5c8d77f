"""Diffusion: draw digits, film how they come out of noise, and fill a hole."""

import torch

import smalti
from smalti.core.pictures import make_grid, save_gif, save_png
from smalti.diffusion import DPMSolver

model = smalti.load("ddpm-digits")

# Eight sevens. A seed always gives the same picture: here the seeds 0 .. 7.
sevens = smalti.sample(model, 8, cond=7)  # (8, 1, 28, 28), from 0 to 1
save_png(make_grid(sevens, columns=8), "sevens.png")

# The same seeds by a solver of higher order, in 8 steps instead of 20.
fast = smalti.sample(model, 8, cond=7, sampler=DPMSolver(steps=8))
save_png(make_grid(fast, columns=8), "sevens-in-8-steps.png")

# Every state on the way can be looked at.
states = smalti.stream(model, 4, cond=[0, 1, 2, 3])
save_gif([make_grid(model.render(state), columns=4) for state in states], "denoising.gif")

# A hole is filled so that it fits the rest.
hole = torch.zeros(28, 28)
hole[14:] = 1
filled = smalti.inpaint(sevens[0], hole, model, n=4, classes=7, sampler={"steps": 10})
for k, picture in enumerate(filled.pictures):
    picture.save(f"filled-{k}.png")
