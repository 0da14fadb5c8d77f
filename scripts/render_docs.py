"""Render the pictures of README and docs/ from the shipped models."""

from __future__ import annotations

from pathlib import Path

import torch

import smalti
from smalti.core.pictures import grid, save_png
from smalti.core.rng import Rng
from smalti.diffusion import Cosine, Linear, Sigmoid
from smalti.diffusion.process import add_noise

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
LEVELS = (0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999)


def digits(model) -> torch.Tensor:
    """Ten classes, eight each: (80, 1, 28, 28), classes from left to right."""
    pictures = smalti.sample(model, 80, cond=[i % 10 for i in range(80)])
    assert isinstance(pictures, torch.Tensor)
    return pictures


def emoji(model) -> torch.Tensor:
    """Eight of every category but "Component", which has five pictures: (72, 3, 64, 64)."""
    classes = [k for k, name in enumerate(model.spec.classes) if name != "Component"]
    labels = torch.tensor(classes).repeat_interleave(8)
    pictures = smalti.sample(model, len(labels), cond=labels)
    assert isinstance(pictures, torch.Tensor)
    return pictures


def denoising(model) -> torch.Tensor:
    """Five digits as rows, every second step as a column."""
    states = smalti.stream(model, 5, cond=[0, 2, 4, 6, 8])
    frames = [model.render(state) for state in states][::2]  # 11 of (5, 1, 28, 28)
    return torch.stack(frames, dim=1).flatten(0, 1)


def schedules() -> torch.Tensor:
    """One digit at eleven noise levels: rows linear, cosine, sigmoid."""
    pictures, _ = smalti.data.digits("train")
    x0 = (pictures[:1] * 2 - 1).double()
    noise = Rng([0]).normal(1, 28, 28)
    rows = [
        (add_noise(x0, noise, schedule.alpha_bars()[t]) + 1) / 2
        for schedule in (Linear(), Cosine(), Sigmoid())
        for t in LEVELS
    ]
    return torch.cat(rows).clamp(0, 1)


def main() -> None:
    model = smalti.load("ddpm-digits")
    save_png(grid(digits(model), columns=10), PICTURES / "digits.png")
    emojis = emoji(smalti.load("ddpm-emoji"))
    save_png(grid(emojis, columns=8), PICTURES / "emoji.png")
    save_png(grid(denoising(model), columns=11), PICTURES / "denoising.png")
    save_png(grid(schedules(), columns=len(LEVELS)), PICTURES / "schedules.png")


if __name__ == "__main__":
    main()
