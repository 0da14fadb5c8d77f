"""PixelCNN++: draw pixel by pixel, complete half a digit, and tell how likely a picture is."""

import torch

import smalti
from smalti.core.pictures import make_grid, save_png

model = smalti.load("pixelcnnpp-digits")

# Pixel after pixel, each from its distribution given all before.
drawn = smalti.sample(model, 8, cond=[3, 3, 3, 3, 5, 5, 5, 5])
save_png(make_grid(drawn, columns=4), "drawn.png")

# The upper half is kept, the lower half drawn, four times each.
digits, labels = smalti.data.digits("test")
completed = smalti.complete(model, list(digits[:2]), n=4)
save_png(make_grid(completed.pictures.flatten(0, 1), columns=4), "completed.png")

# Exact likelihoods: a picture upside down is less likely, so it takes more bits.
pictures = torch.stack([digits[0], digits[0].flip(1)])
score = model.score(smalti.Batch(pictures, labels[:1].repeat(2)), smalti.Rng([0, 1]))
for name, bits in zip(("a digit", "upside down"), score.bits_per_dim, strict=True):
    print(f"{name}: {bits:.2f} bits/dim")
