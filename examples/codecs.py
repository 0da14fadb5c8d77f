"""Codecs: a VQ-VAE turns a digit into 7x7 numbers, and back."""

import smalti
from smalti.core.pictures import make_grid, save_png

codec = smalti.load("vqvae-digits")
digits, _ = smalti.data.digits("test")
x = digits[:8]  # (8, 1, 28, 28)

codes = codec.encode(x)  # (8, 7, 7), each from 0 to 63
again = codec.decode(codes)  # (8, 1, 28, 28)
print(f"{x[0].numel()} gray levels became {codes[0].numel()} codes:\n{codes[0]}")
save_png(make_grid(x, columns=8), "before.png")
save_png(make_grid(again, columns=8), "after.png")

# Half of one digit's codes and half of another's: the decoder blends them.
mixed = codes[:1].clone()
mixed[:, 4:] = codes[1:2, 4:]
save_png(make_grid(codec.decode(mixed)), "mixed.png")
