"""Compression: what a model expects costs few bits; nothing is lost."""

import torch

import smalti

digits, labels = smalti.data.digits("test")
x = digits[:4]  # (4, 1, 28, 28), 8 bits a pixel

done = smalti.compress(x, model="pixelcnnpp-digits", heat_map="bits.png")
print(f"{x.numel()} bytes became {len(done.content)}")

again = smalti.decompress(done.content)
assert torch.equal(again.pixels, (x * 255).round().byte()), "every pixel is back"
