"""Render the pictures of README and docs/ from the shipped models.

python scripts/render_docs.py                  # all that need only shipped models
python scripts/render_docs.py pixelcnn emoji   # some
python scripts/render_docs.py twins            # also needs two runs (docs/numbers.md)
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.core.pictures import make_grid, save_png
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion import Cosine, Linear, Sigmoid
from smalti.diffusion.process import add_noise
from smalti.layers.condition_pictures import find_edges, to_channels

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
LEVELS = (0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999)


def draw_digits(model) -> Tensor:
    """Draw ten classes, eight each: (80, 1, 28, 28), classes from left to right."""
    pictures = smalti.sample(model, 80, cond=[i % 10 for i in range(80)])
    assert isinstance(pictures, Tensor)
    return pictures


STYLES = ("noto", "twemoji", "fluent-3d", "fluent-flat")
NAMES = (
    "red apple", "wine glass", "grinning face", "sailboat", "rose", "rocket",
    "crown", "octopus", "christmas tree", "pizza", "red heart", "snowman",
)  # fmt: skip


def draw_emoji(model) -> Tensor:
    """Draw names in each style, a row for each: (48, 3, 64, 64)."""
    options = {"text": NAMES, "n": len(NAMES)}
    rows = [
        smalti.draw_samples(model, conditions={"style": style}, **options).pictures
        for style in STYLES
    ]
    return torch.cat(rows)


def draw_denoising(model) -> Tensor:
    """Draw five digits as rows, every second step as a column."""
    states = smalti.stream(model, 5, cond=[0, 2, 4, 6, 8])
    frames = [model.render(state) for state in states][::2]  # 11 of (5, 1, 28, 28)
    return torch.stack(frames, dim=1).flatten(0, 1)


def draw_schedules() -> Tensor:
    """Draw one digit at eleven noise levels; rows: linear, cosine, sigmoid."""
    pictures, _ = smalti.data.digits("train")
    x0 = (pictures[:1] * 2 - 1).double()
    noise = Rng([0]).normal(1, 28, 28)
    rows = [
        (add_noise(x0, noise, schedule.compute_alpha_bars()[t]) + 1) / 2
        for schedule in (Linear(), Cosine(), Sigmoid())
        for t in LEVELS
    ]
    return torch.cat(rows).clamp(0, 1)


def draw_completions(model, known: Tensor, labels: Tensor, n: int = 8) -> Tensor:
    """Draw rows: a picture, its upper half, and completions of it."""
    mask = torch.zeros(known.shape[2:], dtype=torch.bool)
    mask[known.shape[2] // 2 :] = True
    inputs = SamplingInputs(
        labels=labels.repeat_interleave(n), known=known.repeat_interleave(n, 0), mask=mask
    )
    drawn = smalti.sample(model, n * len(known), inputs=inputs)
    assert isinstance(drawn, Tensor)
    upper = torch.where(mask, 0.5, known)
    rows = zip(known, upper, drawn.split(n), strict=True)
    return torch.cat([torch.stack([a, b, *many]) for a, b, many in rows])


def draw_reconstructions(codec, x: Tensor) -> Tensor:
    """Pair each picture with its reconstruction."""
    return torch.stack([x, codec.reconstruct(x)], dim=1).flatten(0, 1)


def render_diffusion() -> None:
    model = smalti.load("ddpm-digits")
    save_png(make_grid(draw_digits(model), columns=10), PICTURES / "digits.png")
    save_png(make_grid(draw_denoising(model), columns=11), PICTURES / "denoising.png")
    save_png(make_grid(draw_schedules(), columns=len(LEVELS)), PICTURES / "schedules.png")


def render_emoji() -> None:
    pictures = draw_emoji(smalti.load("ddpm-emoji"))
    save_png(make_grid(pictures, columns=len(NAMES)), PICTURES / "emoji.png")


def render_pixelcnn() -> None:
    for name in ("gated-pixelcnn-digits", "gated-pixelcnn-digits-8", "pixelcnnpp-digits"):
        save_png(make_grid(draw_digits(smalti.load(name)), columns=10), PICTURES / f"{name}.png")
    pictures, labels = smalti.data.digits("test")
    first = [int((labels == k).nonzero()[0]) for k in range(10)]  # of each class
    best = smalti.load("pixelcnnpp-digits")
    rows = draw_completions(best, pictures[first], labels[first])
    save_png(make_grid(rows, columns=10), PICTURES / "completions.png")


def render_prior() -> None:
    for name in ("vqvae-digits-gpt", "vqvae-digits-pixelcnn"):
        save_png(make_grid(draw_digits(smalti.load(name)), columns=10), PICTURES / f"{name}.png")


def render_letters() -> None:
    """Draw four samples of every second character."""
    pictures = smalti.sample(
        smalti.load("letters"), 4 * 31, cond=[2 * (k % 31) for k in range(124)]
    )
    assert isinstance(pictures, Tensor)
    save_png(make_grid(pictures, columns=31), PICTURES / "letters.png")


def render_captions() -> None:
    """Draw eight pictures of every caption, a row each."""
    captions = [
        "smiling face",
        "flag: italy",
        "man: dark skin tone",
        "woman with red hair",
        "red heart",
    ]
    seeds = list(range(8 * len(captions)))
    text = [caption for caption in captions for _ in range(8)]
    pictures = smalti.sample(
        smalti.load("pixelcnnpp-emoji"), seeds=seeds, inputs=SamplingInputs(text=text)
    )
    assert isinstance(pictures, Tensor)
    save_png(make_grid(pictures, columns=8), PICTURES / "pixelcnnpp-emoji.png")


def render_codecs() -> None:
    pictures = draw_reconstructions(smalti.load("vqvae-digits"), smalti.data.digits("test")[0][:32])
    save_png(make_grid(pictures, columns=16), PICTURES / "vqvae-digits.png")
    x = smalti.data.emoji_pictures("test", size=64).take_floats(slice(0, 270, 9))[
        :24
    ]  # must be fetched before
    four = smalti.data.read_splits("emoji4-64", size=64).test
    assert four is not None
    drawn = {"vqvae-emoji": x, "vqgan-emoji": four.take_floats(slice(0, len(four), 35))[:24]}
    for name, pictures in drawn.items():
        grid = make_grid(draw_reconstructions(smalti.load(name), pictures), columns=8)
        save_png(grid, PICTURES / f"{name}.png")


def render_textures() -> None:
    """Draw a canvas of nine materials, which tiles."""
    names = ("brick", "tile", "gravel", "leaves", "sand", "wood", "grass", "rock", "dirt")
    inputs = SamplingInputs(size=(128, 256))
    pictures = smalti.sample(
        "textures", len(names), cond=names, inputs=inputs, sampler={"seamless": True}
    )
    assert isinstance(pictures, Tensor)
    save_png(make_grid(pictures, columns=3), PICTURES / "textures.png")


def render_edges() -> None:
    """Draw the edges of test emoji, and what edges2emoji makes of them in each style."""
    model = smalti.load("edges2emoji")
    test = smalti.data.read_splits("emoji4-64", size=64).test
    assert test is not None
    x = test.take_floats(slice(5, len(test), 57))[:12]
    rows = [find_edges(to_channels(x, 1, "x")).expand(-1, 3, -1, -1).mul(2).clamp(max=1)]
    for style in STYLES:
        drawn = smalti.sample(model, len(x), cond={"picture": x, "style": [style] * len(x)})
        assert isinstance(drawn, Tensor)
        rows.append(drawn)
    save_png(make_grid(torch.cat(rows), columns=len(x)), PICTURES / "edges2emoji.png")


def render_upscaler() -> None:
    """Draw emoji at 64x64, pixels enlarged, above those that emoji-upscaler made of them."""
    options = {"text": NAMES[:6], "conditions": {"style": "fluent-3d"}}
    small = smalti.draw_samples("ddpm-emoji", 6, **options).pictures
    large = smalti.draw_samples(
        "ddpm-emoji", 6, size=256, upscale="emoji-upscaler", **options
    ).pictures
    pictures = torch.cat([F.interpolate(small, scale_factor=4), large])
    save_png(make_grid(pictures, columns=6), PICTURES / "emoji-upscaler.png")


def render_twins() -> None:
    """Draw test emoji, and reconstructions by a VQ-VAE and by a VQGAN with the same network."""
    x = smalti.data.emoji_pictures("test", size=64).take_floats(slice(0, 270, 17))[:16]
    reconstructions = [
        smalti.load(name).reconstruct(x) for name in ("runs/vqvae-emoji-8", "runs/vqgan-emoji")
    ]
    pictures = torch.stack([x, *reconstructions], dim=1).flatten(0, 1)
    save_png(make_grid(pictures, columns=12), PICTURES / "vqgan-twins.png")


ALL = {
    "diffusion": render_diffusion,
    "emoji": render_emoji,
    "pixelcnn": render_pixelcnn,
    "captions": render_captions,
    "priors": render_prior,
    "letters": render_letters,
    "codecs": render_codecs,
    "textures": render_textures,
    "edges": render_edges,
    "upscaler": render_upscaler,
}
RUNS = {"twins": render_twins}


def main() -> None:
    for name in sys.argv[1:] or ALL:
        (ALL | RUNS)[name]()


if __name__ == "__main__":
    main()
