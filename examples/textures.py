"""Textures: of any size from a GPT, without a seam; and a picture of yours made to tile."""

import numpy as np
from PIL import Image

import smalti
from smalti.core.pictures import save_png, to_image
from smalti.tasks.demo_pictures import draw_mosaic

# The GPT's window of 28x28 pixels slides over a canvas of any size.
model = smalti.load("vqvae-digits-gpt")
drawn = smalti.draw_samples(model, 1, size=(56, 56), sampler={"seamless": True})
strokes = to_image(drawn.pictures[0])
save_png(Image.fromarray(np.tile(np.asarray(strokes), (2, 3))), "strokes.png")

# Any picture: roll it so that its borders meet in the middle, and let PatchMatch repair the seams.
picture = draw_mosaic(0)[130:192, :120]  # some of the sea
h, w, _ = picture.shape
rolled = np.roll(picture, (h // 2, w // 2), (0, 1))
seams = np.zeros((h, w), bool)
seams[h // 2 - 6 : h // 2 + 6] = seams[:, w // 2 - 6 : w // 2 + 6] = True
repaired = np.asarray(smalti.inpaint(rolled, seams).pictures[0])
tile = np.roll(repaired, (-(h // 2), -(w // 2)), (0, 1))
Image.fromarray(np.tile(tile, (3, 3, 1))).save("sea.png")
