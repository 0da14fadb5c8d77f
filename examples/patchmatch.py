"""PatchMatch: repair a picture, and put one together from pieces of another."""

from PIL import Image

import smalti
from smalti.tasks.demo_pictures import draw_hole, draw_mosaic

morning, evening, hole = draw_mosaic(0), draw_mosaic(1, mirrored=True), draw_hole()

# What is under the hole is not looked at; it is filled with pieces of the rest.
broken = morning.copy()
broken[hole] = 160
repaired = smalti.inpaint(broken, hole)
Image.fromarray(broken).save("broken.png")
repaired.pictures[0].save("repaired.png")

# For every patch of the morning, where a similar one is in the evening.
found = smalti.match(morning, evening, iterations=3)
field = found.matches[0].field  # (H, W, 2): row and column in the evening
print(f"the middle of the morning was found at {field[96, 144]} of the evening")
print(f"laid again with pieces of the evening: {found.metrics.psnr_voted:.1f} dB")
