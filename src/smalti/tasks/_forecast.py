"""An estimate of training time from a few timed steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from smalti.data.pictures import Pictures
from smalti.recipes import find_recipe
from smalti.training.device import build_fabric
from smalti.training.run_record import RunRecord
from smalti.training.timing import probe_step_time

RECIPE = "ddpm"
TIMING_SECONDS = 2.0
"""Seconds to spend on timing; at least four steps are timed."""
MAX_TIMED_PIXELS = 16 * 32 * 32
"""Pixels of a timed batch; steps of larger batches would take too long."""


@dataclass(frozen=True)
class Forecast:
    """Estimated cost of training by the recipe `ddpm`."""

    seconds_per_step: float
    """For a full batch."""
    batch_size: int
    timed_batch_size: int
    """Batch size of the timed steps; time is assumed to be proportional to it."""
    n_parameters: int
    device: str

    def count_steps(self, n_pictures: int, epochs: float) -> int:
        return max(1, math.ceil(n_pictures * epochs / self.batch_size))

    def estimate_minutes(self, n_pictures: int, epochs: float) -> float:
        return self.count_steps(n_pictures, epochs) * self.seconds_per_step / 60

    def estimate_epochs(self, n_pictures: int, minutes: float) -> float:
        return 60 * minutes / self.seconds_per_step * self.batch_size / n_pictures


def check_trainable(size: tuple[int, int]) -> None:
    """UserError if the recipe's model cannot have this size (H, W)."""
    find_recipe(RECIPE).make_config(
        Pictures(torch.empty(0, 3, *size, dtype=torch.uint8), None, (), "none")
    )


def forecast_training(shape: tuple[int, int, int], classes: tuple[str, ...]) -> Forecast:
    """Time a few steps on noise of this shape (C, H, W)."""
    recipe, (C, H, W) = find_recipe(RECIPE), shape
    batch_size = recipe.training.batch_size
    timed_batch_size = max(4, min(batch_size, MAX_TIMED_PIXELS // (H * W)))
    pixels = torch.randint(0, 256, (timed_batch_size, C, H, W), dtype=torch.uint8)
    labels = torch.zeros(timed_batch_size, dtype=torch.int64) if classes else None
    pictures = Pictures(pixels, labels, classes, "noise")
    training = replace(recipe.training, batch_size=timed_batch_size, accumulate=1, devices=1)
    config, fabric = recipe.make_config(pictures), build_fabric(training)
    seconds = probe_step_time(
        fabric, RunRecord(config, training, Path(), {}), pictures, TIMING_SECONDS
    ).seconds
    return Forecast(
        seconds_per_step=seconds * batch_size / timed_batch_size,
        batch_size=batch_size,
        timed_batch_size=timed_batch_size,
        n_parameters=sum(p.numel() for p in config.build().parameters()),
        device=str(fabric.device),
    )
