"""How long training will take, by a few steps of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from smalti.data.pictures import Pictures
from smalti.recipes import find
from smalti.training.device import fabric_for
from smalti.training.job import Job
from smalti.training.timing import probe

RECIPE = "ddpm"
BUDGET = 2.0
"""Seconds that are spent on measuring; four steps at least."""
PIXELS = 16 * 32 * 32
"""Of a batch that is measured: more of them, and the steps would be waited for."""


@dataclass(frozen=True)
class Forecast:
    """What training by the recipe `ddpm` takes."""

    seconds_per_step: float
    """Of a whole batch."""
    batch: int
    measured: int
    """Pictures in the steps that were measured; time is taken to grow with their number."""
    parameters: int
    device: str

    def steps(self, pictures: int, epochs: float) -> int:
        return max(1, math.ceil(pictures * epochs / self.batch))

    def minutes(self, pictures: int, epochs: float) -> float:
        return self.steps(pictures, epochs) * self.seconds_per_step / 60

    def epochs(self, pictures: int, minutes: float) -> float:
        return 60 * minutes / self.seconds_per_step * self.batch / pictures


def check_trainable(size: tuple[int, int]) -> None:
    """UserError for a size (H, W) that no model of the recipe can have."""
    find(RECIPE).model(Pictures(torch.empty(0, 3, *size, dtype=torch.uint8), None, (), "none"))


def forecast(shape: tuple[int, int, int], classes: tuple[str, ...]) -> Forecast:
    """Measured on noise of this shape (C, H, W): what is on the pictures does not matter."""
    recipe, (C, H, W) = find(RECIPE), shape
    batch = recipe.training.batch
    measured = max(4, min(batch, PIXELS // (H * W)))
    pixels = torch.randint(0, 256, (measured, C, H, W), dtype=torch.uint8)
    labels = torch.zeros(measured, dtype=torch.int64) if classes else None
    pictures = Pictures(pixels, labels, classes, "noise")
    training = replace(recipe.training, batch=measured, accumulate=1, devices=1)
    config, fabric = recipe.model(pictures), fabric_for(training)
    seconds = probe(fabric, Job(config, training, Path(), {}), pictures, BUDGET).seconds
    return Forecast(
        seconds_per_step=seconds * batch / measured,
        batch=batch,
        measured=measured,
        parameters=sum(p.numel() for p in config.build().parameters()),
        device=str(fabric.device),
    )
